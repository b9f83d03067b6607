"""What a person says about one object: clicks, a box, a rough mask, corrections.

All coordinates are image pixels, (y, x), an integer being the centre of a pixel, which is
napari's data frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Click:
    """One point that a person set.

    y, x: image pixels (integer = pixel centre). positive: True for the object, False for
    not the object; None, for corrections only, means the opposite of the mask at that pixel.
    Raises ValueError for coordinates that are not finite.
    """

    y: float
    x: float
    positive: bool | None = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.y) and math.isfinite(self.x)):
            raise ValueError(f"A click needs finite coordinates, not ({self.y}, {self.x}).")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle round the object, its edges included, in image pixels.

    Raises ValueError when it is not finite or has no extent.
    """

    y_min: float
    x_min: float
    y_max: float
    x_max: float

    def __post_init__(self) -> None:
        sides = (self.y_min, self.x_min, self.y_max, self.x_max)
        if not all(math.isfinite(v) for v in sides):
            raise ValueError(f"A box needs finite coordinates, not {sides}.")
        if self.y_max <= self.y_min or self.x_max <= self.x_min:
            raise ValueError(
                f"A box needs y_min < y_max and x_min < x_max, not {sides}: drag from one "
                "corner to the opposite one."
            )

    @property
    def span(self) -> float:
        """The longer side, image pixels."""
        return max(self.y_max - self.y_min, self.x_max - self.x_min)


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

    def in_image(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask laid into an image of that size: bool (height, width)."""
        full = np.zeros((height, width), np.bool_)
        y0, x0 = max(self.y, 0), max(self.x, 0)
        y1 = min(self.y + self.mask.shape[0], height)
        x1 = min(self.x + self.mask.shape[1], width)
        if y1 > y0 and x1 > x0:
            full[y0:y1, x0:x1] = self.mask[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        return full


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything said about one object.

    points: clicks for SAM's prompt encoder (positive must be True or False). box, mask:
    likewise. corrections: clicks for the Precise Interactor, made where a mask was wrong; their
    order is the order in which they were made. Any sequence of clicks is taken. Raises ValueError
    for what is no Click or Box, and for a point without a sign.
    """

    points: tuple[Click, ...] = ()
    box: Box | None = None
    mask: PlacedMask | None = None
    corrections: tuple[Click, ...] = ()

    def __post_init__(self) -> None:
        for name in ("points", "corrections"):
            clicks = tuple(getattr(self, name))
            for click in clicks:
                if not isinstance(click, Click):
                    raise ValueError(f"Give {name} as Click(y, x), not as {click!r}.")
            object.__setattr__(self, name, clicks)
        if self.box is not None and not isinstance(self.box, Box):
            raise ValueError(f"Give the box as Box(y_min, x_min, y_max, x_max), not {self.box!r}.")
        if any(c.positive is None for c in self.points):
            raise ValueError("A point of a prompt is either the object or not: set positive.")

    @property
    def empty(self) -> bool:
        """True when nothing says where the object is (corrections alone do not)."""
        positive = any(c.positive for c in self.points)
        return not positive and self.box is None and self.mask is None
