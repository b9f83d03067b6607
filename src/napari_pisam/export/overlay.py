"""Objects drawn over the image, each in its colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito's colours, distinct with every kind of colour vision; black is left out.
PALETTE = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (213, 94, 0),
        (204, 121, 167),
        (0, 114, 178),
    ],
    np.uint8,
)
# One pixel of outline for so many pixels of the image's longer side.
OUTLINE_SHARE = 700


def label_colors(ids: NDArray[Any]) -> NDArray[np.uint8]:
    """A colour for each label, always the same one: uint8 (..., 3).

    The first seven differ; after each round the order shifts, so that numbers given row by row do
    not line up in columns of one colour.
    """
    rounds, place = np.divmod(np.asarray(ids, np.int64) - 1, len(PALETTE))
    return np.asarray(PALETTE[(place + 3 * rounds) % len(PALETTE)])


def overlay(
    rgb8: NDArray[np.uint8], labels: NDArray[Any], *, opacity: float = 0.3
) -> NDArray[np.uint8]:
    """The image with the objects drawn over it: a light fill and an opaque outline in its colour.

    rgb8: uint8 (H, W, 3). labels: integers (H, W), 0 for none. opacity: of the fill, 0 to 1. The
    outline is inside the object, a dark line outside it, so that it shows on any ground.
    Returns uint8 (H, W, 3). Raises ValueError when the sizes differ.
    """
    if rgb8.shape[:2] != labels.shape:
        raise ValueError(f"An image of {rgb8.shape[:2]} does not fit labels of {labels.shape}.")
    width = max(1, round(max(labels.shape) / OUTLINE_SHARE))
    drawn = rgb8.copy()
    for rows in _bands(labels.shape[0]):
        around = slice(max(0, rows.start - width), rows.stop + width)
        inner = slice(rows.start - around.start, rows.stop - around.start)
        edge, rim = (m[inner] for m in _outlines(labels[around], width))
        band, ids = drawn[rows], labels[rows]
        inside = ids > 0
        colors = label_colors(ids)
        mixed = band[inside] * (1 - opacity) + colors[inside] * opacity
        band[inside] = np.rint(mixed).astype(np.uint8)
        band[edge] = colors[edge]
        band[rim] = band[rim] // 3
    return drawn


def _bands(height: int, step: int = 1024) -> Iterator[slice]:
    """Bands of rows, so that the working memory does not grow with the image."""
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _outlines(labels: NDArray[Any], width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The pixels of objects within `width` of another value, and the ground next to objects."""
    from scipy import ndimage

    wide = labels.astype(np.int64, copy=False)
    size = 2 * width + 1
    low = ndimage.minimum_filter(wide, size, mode="nearest")
    high = ndimage.maximum_filter(wide, size, mode="nearest")
    near = ndimage.maximum_filter(wide, 3, mode="nearest")
    return (wide > 0) & (low != high), (wide == 0) & (near > 0)
