"""What a person gives to point at one object: clicks, a box, a rough mask, corrections.

All coordinates are image pixels, (y, x), an integer being the centre of a pixel, which is
napari's data frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_pisam.masks.placed import PlacedMask


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


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that points at one object.

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
        """True when nothing tells where the object is (corrections alone do not)."""
        positive = any(c.positive for c in self.points)
        return not positive and self.box is None and self.mask is None


def prompt_centre(prompt: Prompt) -> Click:
    """The point that a window is centred on: of the box, else the mask, else the positive points.

    Raises ValueError when nothing in the prompt tells where the object is.
    """
    if prompt.box is not None:
        b = prompt.box
        return Click((b.y_min + b.y_max) / 2, (b.x_min + b.x_max) / 2)
    bounds = prompt.mask.bounds if prompt.mask is not None else None
    if bounds is not None:
        return Click(bounds.y + (bounds.height - 1) / 2, bounds.x + (bounds.width - 1) / 2)
    points = [c for c in prompt.points if c.positive]
    if not points:
        raise ValueError("Say where the object is first: a click on it, or a box round it.")
    return Click(
        (min(c.y for c in points) + max(c.y for c in points)) / 2,
        (min(c.x for c in points) + max(c.x for c in points)) / 2,
    )


def points_span(prompt: Prompt) -> float:
    """The longer side of the box round the positive points, image pixels; 0 for one or none."""
    ys = [c.y for c in prompt.points if c.positive]
    xs = [c.x for c in prompt.points if c.positive]
    return max(max(ys) - min(ys), max(xs) - min(xs)) if ys else 0.0
