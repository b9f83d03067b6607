"""A window of the image as the square picture that the model sees, and logits back again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.geometry import Window

PAD_RGB = (124, 116, 104)
"""What stands outside the image: SAM's mean colour, which normalises to zero."""


def _target(
    start: int, length: int, inside_start: int, inside_length: int, size: int
) -> tuple[int, int]:
    """First and last-plus-one input pixel covered by the part of one axis inside the image."""
    first = round((inside_start - start) * size / length)
    last = round((inside_start + inside_length - start) * size / length)
    return first, max(last, first + 1)


def window_input(
    rgb8: NDArray[np.uint8], window: Window, inside: Window, size: int
) -> NDArray[np.uint8]:
    """The window's pixels as a size x size picture; antialiased bilinear, padded with the mean.

    rgb8: uint8 (h, w, 3), what `inside` (the part of the window in the image) shows, at any
    pyramid level. Returns uint8 (size, size, 3).
    """
    y0, y1 = _target(window.y, window.height, inside.y, inside.height, size)
    x0, x1 = _target(window.x, window.width, inside.x, inside.width, size)
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = PAD_RGB
    shown = Image.fromarray(np.ascontiguousarray(rgb8)).resize(
        (x1 - x0, y1 - y0), Image.Resampling.BILINEAR
    )
    y1, x1 = min(y1, size), min(x1, size)
    picture[y0:y1, x0:x1] = np.asarray(shown)[: y1 - y0, : x1 - x0]
    return picture


def logits_at_image(
    logits: NDArray[np.float32], window: Window, inside: Window
) -> NDArray[np.float32]:
    """Logits of the input square brought to the image pixels of `inside`.

    logits: float32 (size, size). Returns float32 (inside.height, inside.width); bilinear,
    antialiased where the input is finer than the image.
    """
    size = logits.shape[0]
    y0, x0 = (inside.y - window.y) / window.height, (inside.x - window.x) / window.width
    box = (
        x0 * size,
        y0 * size,
        min(x0 * size + inside.width / window.width * size, size),
        min(y0 * size + inside.height / window.height * size, size),
    )
    picture = Image.fromarray(np.ascontiguousarray(logits, np.float32), mode="F")
    resized = picture.resize((inside.width, inside.height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32)
