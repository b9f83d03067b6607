"""Where the pixels of an answer's pictures lie, so that a viewer can draw them over the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_pisam.geometry import Window


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
        starts, steps, counts = [], [], []
        for start, length, size in zip(
            (window.y, window.x), (window.height, window.width), sizes, strict=True
        ):
            low, high = max(start, 0) - 0.5, min(start + length, size) - 0.5
            if high - low < 1:
                return None
            # one at least: of an image far narrower than the window little is to be seen
            count = max(1, int((high - low) / max(length / side, 1) + 1e-9))
            starts.append(low)
            steps.append((high - low) / count)
            counts.append(count)
        return cls((starts[0], starts[1]), (steps[0], steps[1]), (counts[0], counts[1]))

    def sampled(self, pixels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        """A (side, side) array over the window at the pixels of the lattice: uint8, `counts`.

        Linear between pixels of the array; the mean of several where one of the lattice is wider.
        """
        own = (window.height / pixels.shape[0], window.width / pixels.shape[1])
        begin = (window.y - 0.5, window.x - 0.5)
        if self.counts == pixels.shape and np.allclose([*self.starts, *self.steps], [*begin, *own]):
            return pixels
        side = pixels.shape[0]
        rows = self._weights(0, side, origin=window.y, length=window.height)
        cols = self._weights(1, side, origin=window.x, length=window.width)
        # Sparse, which is quicker; and numpy's dense product leaves a thread that waits for more
        # work at full speed for some 50 ms, just when the answer is to be drawn.
        shown = (cols @ (rows @ pixels.astype(np.float32)).T).T
        result: NDArray[np.uint8] = np.rint(shown).astype(np.uint8)
        return result

    def _weights(self, axis: int, side: int, *, origin: int, length: int) -> csr_array:
        """How much each pixel of the array counts for each of the lattice: (count, side)."""
        own = length / side
        count = self.counts[axis]
        centres = self.starts[axis] + (np.arange(count) + 0.5) * self.steps[axis]
        places = np.clip((centres - (origin - 0.5)) / own - 0.5, 0, side - 1)[:, None]
        reach = max(self.steps[axis] / own, 1.0)
        near = np.floor(places) + np.arange(-math.ceil(reach), math.ceil(reach) + 2)
        weights = np.maximum(1 - np.abs(near - places) / reach, 0)
        weights[(near < 0) | (near >= side)] = 0
        weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
        columns = np.clip(near, 0, side - 1).astype(np.int32)
        rows = np.arange(count + 1) * near.shape[1]
        return csr_array((weights.ravel(), columns.ravel(), rows), shape=(count, side))
