"""Where the pixels of an answer's pictures lie, so that a viewer can draw them over the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_pisam.geometry import Window, WindowGrid, pixel_centres


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where the pixels of a picture of a window lie in the image: evenly, and all inside it.

    starts: the image pixel (y, x) at the upper left corner of the first one. steps: image pixels
    from one to the next, never less than 1. counts: how many rows and columns.

    A viewer's sliders take the smallest step and the largest extent of all layers: a picture that
    were finer than the image, or reached beyond it, would move them off the image's planes.
    """

    starts: tuple[float, float]
    steps: tuple[float, float]
    counts: tuple[int, int]

    @classmethod
    def over(cls, window: Window, side: int, sizes: tuple[int, int]) -> Lattice | None:
        """The lattice for a (side, side) array over a window; None when all of it is outside.

        sizes: rows and columns of the image. Where the window lies inside the image and is not
        enlarged, it is the array's own.
        """
        part = window.inside(*sizes)
        if part is None:
            return None
        down, across = WindowGrid(window, side).pixel_size
        # one at least: of an image far narrower than the window little is to be seen
        rows = max(1, int(part.height / max(down, 1) + 1e-9))
        columns = max(1, int(part.width / max(across, 1) + 1e-9))
        edges = (part.y - 0.5, part.x - 0.5)
        return cls(edges, (part.height / rows, part.width / columns), (rows, columns))

    def sampled(self, pixels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        """A (side, side) array over the window at the pixels of the lattice: uint8, `counts`.

        Linear between pixels of the array; the mean of several where one of the lattice is wider.
        """
        grid = WindowGrid(window, len(pixels))
        rows_at, columns_at = grid.rows_at(self._centres(0)), grid.columns_at(self._centres(1))
        own = np.arange(grid.side)
        if self.counts == pixels.shape and np.allclose([rows_at, columns_at], [own, own]):
            return pixels
        rows = _weights(rows_at, self.steps[0] / grid.pixel_size[0], grid.side)
        cols = _weights(columns_at, self.steps[1] / grid.pixel_size[1], grid.side)
        # Sparse, which is quicker; and numpy's dense product leaves a thread that waits for more
        # work at full speed for some 50 ms, just when the answer is to be drawn.
        shown = (cols @ (rows @ pixels.astype(np.float32)).T).T
        result: NDArray[np.uint8] = np.rint(shown).astype(np.uint8)
        return result

    def _centres(self, axis: int) -> NDArray[np.float64]:
        count = self.counts[axis]
        return pixel_centres(self.starts[axis], self.steps[axis] * count, count)


def _weights(centres: NDArray[np.float64], step: float, side: int) -> csr_array:
    """How much each pixel of an array counts for each of the lattice: (count, side).

    centres, step: of the lattice's pixels along one axis, in pixels of the array.
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
