"""A mask and where it lies in the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMask:
    """A boolean mask and where its first pixel lies in the image.

    y, x: image pixels (integers) of mask[0, 0]. mask: bool (height, width).
    """

    y: int
    x: int
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError("A placed mask is a two-dimensional boolean array.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PlacedMask):
            return NotImplemented
        return (self.y, self.x) == (other.y, other.x) and np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash((self.y, self.x, self.mask.shape, self.mask.tobytes()))

    def cropped(self) -> PlacedMask:
        """The same object with the empty margins cut off (an empty mask stays 0 x 0)."""
        rows, cols = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return PlacedMask(self.y, self.x, np.zeros((0, 0), np.bool_))
        y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
        return PlacedMask(self.y + y0, self.x + x0, np.ascontiguousarray(self.mask[y0:y1, x0:x1]))

    @property
    def span(self) -> int:
        """The longer side of what is set, image pixels; 0 when the mask is empty."""
        return int(max(self.cropped().mask.shape))

    def in_image(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask laid into an image of that size: bool (height, width)."""
        full = np.zeros((height, width), np.bool_)
        y0, x0 = max(self.y, 0), max(self.x, 0)
        y1 = min(self.y + self.mask.shape[0], height)
        x1 = min(self.x + self.mask.shape[1], width)
        if y1 > y0 and x1 > x0:
            full[y0:y1, x0:x1] = self.mask[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        return full
