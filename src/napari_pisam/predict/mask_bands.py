"""Logits as a mask in image pixels, by bands of rows: no float array in image pixels is made.

What is above 0 after linear interpolation between the logits. Only pixels near an edge of the mask
are interpolated: where all logits round a pixel have one sign, so has the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, WindowGrid, nearest_pixel
from napari_pisam.masks.packed import PackedMask
from napari_pisam.prompts import Click


@dataclass(frozen=True, slots=True)
class Taps:
    """Which logits along one axis count for each image pixel, and how much.

    first: the first logit's index (n,). weights: float64 (n, k), zero for what does not count.
    """

    first: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, start: float, stop: float, count: int, *, side: int) -> Taps:
        """The taps of `count` pixels between two edges in a line of `side` logits.

        The arithmetic is that of PIL's bilinear resize, number format by number format, so that a
        mask is the same as that of the whole image resized at once, but for pixels whose exact
        value is 0: there the last digit's rounding decides.
        """
        first_edge, length = float(np.float32(start)), np.float32(stop) - np.float32(start)
        step = float(length) / count
        reach = max(step, 1.0)
        centres = first_edge + (np.arange(count) + 0.5) * step
        first = np.maximum((centres - reach + 0.5).astype(np.intp), 0)
        last = np.minimum((centres + reach + 0.5).astype(np.intp), side)
        near = first[:, None] + np.arange(math.ceil(reach) * 2 + 1)
        weights = np.maximum(1 - np.abs((near - centres[:, None] + 0.5) * (1 / reach)), 0)
        weights[near >= last[:, None]] = 0
        used = max(int((last - first).max()), 1)
        return cls(first, weights[:, :used] / weights.sum(1, keepdims=True))


class ImageMask:
    """The mask of one window's logits at the pixels of the image.

    logits: float32 (S, S) of the window. image: rows and columns. The mask is empty where the
    window is not in the image.
    """

    def __init__(self, logits: NDArray[np.float32], window: Window, image: tuple[int, int]) -> None:
        self._logits = logits
        self._inside = window.inside(*image)
        if self._inside is None:
            return
        left, upper, right, lower = WindowGrid(window, len(logits)).resize_box(self._inside)
        self._down = Taps.of(upper, lower, self._inside.height, side=len(logits))
        self._across = Taps.of(left, right, self._inside.width, side=len(logits))

    def covers(self, click: Click) -> bool:
        """Whether the mask holds the pixel nearest to a click."""
        if self._inside is None or not self._inside.contains(click):
            return False
        y, x = nearest_pixel(click)
        rows, columns = np.array([y - self._inside.y]), np.array([x - self._inside.x])
        return bool(self._above(rows, columns)[0])

    def packed(self) -> PackedMask:
        """The whole mask; what is in memory meanwhile are its bits and a band of it."""
        extent = self.extent()
        if extent is None:
            return PackedMask.of_bands(0, 0, ())
        return PackedMask.of_bands(extent.y, extent.x, self.bands(extent))

    def extent(self) -> Window | None:
        """A rectangle of the image beyond which nothing is set; None when nothing is."""
        if self._inside is None:
            return None
        some = self._spread(self._logits > 0, np.logical_or)
        rows = np.flatnonzero(some.any(1).take(self._down.first))
        columns = np.flatnonzero(some.any(0).take(self._across.first))
        if not (len(rows) and len(columns)):
            return None
        y, x = int(rows[0]), int(columns[0])
        height, width = int(rows[-1]) + 1 - y, int(columns[-1]) + 1 - x
        return Window(self._inside.y + y, self._inside.x + x, height, width)

    def bands(self, part: Window, rows: int | None = None) -> Iterator[NDArray[np.bool_]]:
        """The mask in a rectangle of the image within the window, band after band from the top.

        rows: of each band but the last; None takes as many as make a band no larger than the
        window of the model. Yields bool (rows, part.width).
        """
        assert self._inside is not None  # the part is within
        part = part.seen_from(self._inside.y, self._inside.x)
        rows = rows or max(self._logits.size // part.width, 1)
        columns = np.arange(part.x, part.x + part.width)
        above = self._logits > 0
        # `take` lays rows one after the other in memory, as indexing does not
        across = self._across.first[columns]
        every = self._spread(above, np.logical_and).take(across, axis=1)
        mixed = self._spread(above, np.logical_or).take(across, axis=1) & ~every
        for start in range(part.y, part.y + part.height, rows):
            own = np.arange(start, min(start + rows, part.y + part.height))
            first = self._down.first[own]
            band = every.take(first, axis=0)
            at = np.flatnonzero(mixed.take(first, axis=0))
            if len(at):
                inner, outer = np.divmod(at, part.width)
                band.reshape(-1)[at] = self._above(own[inner], columns[outer])
            yield band

    def _spread(self, above: NDArray[np.bool_], join: np.ufunc) -> NDArray[np.bool_]:
        """Whether all, or any, of the logits are above 0 that a pixel takes from each one on."""
        joined = above.copy()
        for shift in range(1, self._down.weights.shape[1]):
            join(joined[:-shift], above[shift:], out=joined[:-shift])
        above = joined.copy()
        for shift in range(1, self._across.weights.shape[1]):
            join(joined[:, :-shift], above[:, shift:], out=joined[:, :-shift])
        return joined

    def _above(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether the interpolated logits at pixels are above 0: bool (n,).

        rows, columns: from the first pixel of the window that is in the image.
        """
        last, values = len(self._logits) - 1, np.zeros(len(rows))
        for i in range(self._down.weights.shape[1]):
            y = np.minimum(self._down.first[rows] + i, last)
            line = np.zeros(len(rows))
            for j in range(self._across.weights.shape[1]):
                x = np.minimum(self._across.first[columns] + j, last)
                line += self._logits[y, x] * self._across.weights[columns, j]
            values += line.astype(np.float32) * self._down.weights[rows, i]
        return values.astype(np.float32) > 0
