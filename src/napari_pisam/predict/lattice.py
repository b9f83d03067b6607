"""Where the pixels of an answer's pictures lie, so that a viewer can draw them over the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, WindowGrid, pixel_centres
from napari_pisam.images.resample import linear_weights


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
        rows = linear_weights(rows_at, self.steps[0] / grid.pixel_size[0], grid.side)
        cols = linear_weights(columns_at, self.steps[1] / grid.pixel_size[1], grid.side)
        # Sparse, which is quicker; and numpy's dense product leaves a thread that waits for more
        # work at full speed for some 50 ms, just when the answer is to be drawn.
        shown = (cols @ (rows @ pixels.astype(np.float32)).T).T
        result: NDArray[np.uint8] = np.rint(shown).astype(np.uint8)
        return result

    def _centres(self, axis: int) -> NDArray[np.float64]:
        count = self.counts[axis]
        return pixel_centres(self.starts[axis], self.steps[axis] * count, count)
