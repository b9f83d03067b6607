"""A mask and where it lies in the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Place, Window, nearest_pixel

ROWS_COMPARED = 256


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
        return (self.y, self.x) == (other.y, other.x) and _same(self.mask, other.mask)

    def __hash__(self) -> int:
        # a sample: all pixels of a large mask would be copied and read at every look into a dict
        height, width = self.mask.shape
        sample = self.mask[:: height // 64 + 1, :: width // 64 + 1]
        return hash((self.y, self.x, self.mask.shape, sample.tobytes()))

    def cropped(self) -> PlacedMask:
        """The same object with the empty margins cut off (an empty mask stays 0 x 0)."""
        bounds = self.bounds
        if bounds is None:
            return PlacedMask(self.y, self.x, np.zeros((0, 0), np.bool_))
        if bounds == self.window:
            return self
        tight = self.mask[bounds.seen_from(self.y, self.x).slices]
        return PlacedMask(bounds.y, bounds.x, np.ascontiguousarray(tight))

    @property
    def window(self) -> Window | None:
        """The rectangle that the array fills, margins included; None when it has no pixel."""
        height, width = self.mask.shape
        return Window(self.y, self.x, height, width) if height and width else None

    @property
    def bounds(self) -> Window | None:
        """The smallest rectangle that holds all that is set; None when the mask is empty."""
        rows, cols = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return None
        y, x = int(rows[0]), int(cols[0])
        return Window(self.y + y, self.x + x, int(rows[-1]) + 1 - y, int(cols[-1]) + 1 - x)

    @property
    def span(self) -> int:
        """The longer side of what is set, image pixels; 0 when the mask is empty."""
        bounds = self.bounds
        return max(bounds.height, bounds.width) if bounds else 0

    def covers(self, place: Place) -> bool:
        """Whether the mask holds the pixel nearest to a place of the image, such as a click."""
        y, x = nearest_pixel(place)
        row, column, (height, width) = y - self.y, x - self.x, self.mask.shape
        return 0 <= row < height and 0 <= column < width and bool(self.mask[row, column])

    def in_window(self, window: Window) -> NDArray[np.bool_]:
        """What the mask shows in a rectangle of the image: bool (window.height, window.width)."""
        shown = np.zeros((window.height, window.width), np.bool_)
        part = self.window and self.window.intersection(window)
        if part:
            here, own = part.seen_from(window.y, window.x), part.seen_from(self.y, self.x)
            shown[here.slices] = self.mask[own.slices]
        return shown

    def in_image(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask laid into an image of that size: bool (height, width)."""
        return self.in_window(Window(0, 0, height, width))

    def without(self, other: PlacedMask) -> PlacedMask:
        """What another mask does not hold of it."""
        if self.window is None:
            return self
        return PlacedMask(self.y, self.x, self.mask & ~other.in_window(self.window))


def _same(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether two masks are equal, found without a third as large as they are."""
    if one is other or one.shape != other.shape:
        return one.shape == other.shape
    starts = range(0, len(one), ROWS_COMPARED)
    return all(
        np.array_equal(one[y : y + ROWS_COMPARED], other[y : y + ROWS_COMPARED]) for y in starts
    )
