"""A window of the image as the square input of the model, and logits back again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csr_array

from napari_pisam.geometry import Window, WindowGrid

PAD_RGB = (124, 116, 104)
"""What stands outside the image: SAM's mean colour, which normalises to zero."""


def window_input(
    rgb8: NDArray[np.uint8], window: Window, inside: Window, *, size: int
) -> NDArray[np.uint8]:
    """The window's pixels as a size x size image; antialiased bilinear, padded with the mean.

    rgb8: uint8 (h, w, 3), what `inside` (the part of the window in the image) shows, at any
    pyramid level. Returns uint8 (size, size, 3).
    """
    square = np.empty((size, size, 3), np.uint8)
    square[:] = PAD_RGB
    fill_part(square, rgb8, WindowGrid(window, size).part(inside))
    return square


def fill_part(square: NDArray[np.uint8], shown: NDArray[np.uint8], part: Window) -> None:
    """Resample pixels into a part of a square, in place; what lies beyond its end is cut off.

    square: (S, S) or (S, S, 3). shown: of any size, as many channels. part: pixels of the square.
    """
    resized = Image.fromarray(np.ascontiguousarray(shown)).resize(
        (part.width, part.height), Image.Resampling.BILINEAR
    )
    here = square[part.slices]
    here[:] = np.asarray(resized)[: here.shape[0], : here.shape[1]]


def logits_at_image(
    logits: NDArray[np.float32], window: Window, inside: Window
) -> NDArray[np.float32]:
    """Logits of the input square brought to the image pixels of `inside`.

    logits: float32 (size, size). Returns float32 (inside.height, inside.width); bilinear,
    antialiased where the input is finer than the image.
    """
    box = WindowGrid(window, len(logits)).resize_box(inside)
    square = Image.fromarray(np.ascontiguousarray(logits, np.float32), mode="F")
    resized = square.resize((inside.width, inside.height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32)


def linear_weights(centres: NDArray[np.float64], step: float, side: int) -> csr_array:
    """How much each of `side` pixels counts for each of fewer or more: float32 (count, side).

    centres, step: of the pixels that are wanted, in pixels of those that there are. Linear between
    pixels; the mean of several, weighted, where a wanted one is wider.
    """
    places = np.clip(centres, 0, side - 1)[:, None]
    reach = max(step, 1.0)
    near = np.floor(places) + np.arange(-math.ceil(reach), math.ceil(reach) + 2)
    weights = np.maximum(1 - np.abs(near - places) / reach, 0)
    weights[(near < 0) | (near >= side)] = 0
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    columns = np.clip(near, 0, side - 1).astype(np.int32)
    rows = np.arange(len(centres) + 1) * near.shape[1]
    return csr_array((weights.ravel(), columns.ravel(), rows), shape=(len(centres), side))
