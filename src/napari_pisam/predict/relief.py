"""Pictures of an answer that cost the same whatever the size of the image.

A mask is drawn as its *relief*: at every pixel of the model's output the signed distance to the
mask's edge. A viewer that interpolates the relief linearly draws the edge as a line that stays
sharp at any zoom, and fills the inside, from one small array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.geometry import Window, WindowGrid
from napari_pisam.prompts import Click

EDGE = 128.0  # the relief's value on the mask's edge
STEP = 8.0  # how much it grows from one pixel to the next, towards the inside
REACH = 15  # pixels beyond which it no longer grows
DOUBTFUL_PLACES = 8


def _squared_distance(mask: NDArray[np.bool_], reach: int) -> NDArray[np.uint16]:
    """Squared distance from each pixel of the mask to the nearest pixel outside it, up to reach."""
    # Along the columns first: a pixel survives as many erosions as the distance it has.
    survives = mask.copy()
    rows = mask.astype(np.uint16)
    for shift in range(1, reach):
        survives[shift:] &= mask[:-shift]
        survives[:-shift] &= mask[shift:]
        rows += survives
    squares = rows * rows
    result = squares.copy()
    far = np.empty_like(squares)
    for shift in range(1, reach):
        np.add(squares, np.uint16(shift * shift), out=far)
        np.minimum(result[:, shift:], far[:, :-shift], out=result[:, shift:])
        np.minimum(result[:, :-shift], far[:, shift:], out=result[:, :-shift])
    return result


def relief_of(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The signed distance to the mask's edge: uint8, the mask's shape.

    EDGE on the edge, STEP more per pixel towards the inside, less towards the outside, level
    beyond REACH pixels. Exact up to rounding; the frame of the array is no edge.
    """
    flat = np.full(mask.shape, EDGE - STEP * (REACH - 0.5), np.float32)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows):
        y0, y1 = max(int(rows[0]) - REACH, 0), int(rows[-1]) + 1 + REACH
        x0, x1 = max(int(cols[0]) - REACH, 0), int(cols[-1]) + 1 + REACH
        part = mask[y0:y1, x0:x1]
        inside = np.sqrt(_squared_distance(part, REACH), dtype=np.float32)
        outside = np.sqrt(_squared_distance(~part, REACH), dtype=np.float32)
        distance = np.where(part, inside - 0.5, 0.5 - outside)
        flat[y0:y1, x0:x1] = EDGE + STEP * distance
    return np.clip(np.rint(flat), 0, 255).astype(np.uint8)


def doubt_of(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """How unsure the model is at each pixel: uint8, 0 where it is certain, 255 at a coin's toss."""
    # 1 - |2 p - 1| of the probability p = sigmoid(logit).
    unsure = 1 - np.tanh(np.abs(logits.astype(np.float32)) / 2)
    doubt: NDArray[np.uint8] = np.rint(unsure * 255).astype(np.uint8)
    return doubt


def doubtful_places(doubt: NDArray[np.uint8], window: Window) -> tuple[Click, ...]:
    """The places where a correction helps most, the most doubtful first, image pixels.

    doubt: of a whole window. A place is a spot of broad doubt, not merely a pixel on the edge:
    doubt is averaged over a 32nd of the window first, and places keep three times that apart.
    """
    size = max(3, doubt.shape[0] // 32)
    broad = ndimage.uniform_filter(doubt.astype(np.float32), size, mode="constant")
    # what is certain itself may lie beside the image
    broad[doubt == 0] = 0
    grid, found = WindowGrid(window, len(doubt)), []
    for _ in range(DOUBTFUL_PLACES):
        row, col = np.unravel_index(int(broad.argmax()), broad.shape)
        if broad[row, col] < 1:
            break
        y0, x0 = max(row - 3 * size, 0), max(col - 3 * size, 0)
        found.append(Click(grid.y_of(float(row)), grid.x_of(float(col))))
        broad[y0 : row + 3 * size + 1, x0 : col + 3 * size + 1] = 0
    return tuple(found)
