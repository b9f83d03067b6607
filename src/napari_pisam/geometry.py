"""Frames and rectangles: image, unit, input; windows and tiles. Nothing else changes frames.

Frames. *image*: pixels (y, x), integer = pixel centre. *unit*: (x, y) in 0..1 of a window.
*input*: (x, y) in pixels of a square grid over the window, such as what the model sees or its
logits, integer = pixel centre (SAM's).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


class Place(Protocol):
    """A point of the image, such as a click: image pixels, integer = pixel centre."""

    @property
    def y(self) -> float: ...

    @property
    def x(self) -> float: ...


class Corners(Protocol):
    """A rectangle of the image, such as a box: image pixels, its edges included."""

    @property
    def y_min(self) -> float: ...

    @property
    def x_min(self) -> float: ...

    @property
    def y_max(self) -> float: ...

    @property
    def x_max(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Window:
    """The rectangle of the image that the model looks at.

    y, x: image pixel of its first row and column (may lie outside the image). height, width:
    image pixels, at least 1. level: the pyramid level its pixels are read from (0 = full
    resolution); the rectangle is always in pixels of level 0.
    """

    y: int
    x: int
    height: int
    width: int
    level: int = 0

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"A window has at least one pixel, not {self.height} x {self.width}.")

    def intersection(self, other: Window) -> Window | None:
        """What both have in common, at this one's level; None when that is nothing."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - y
        width = min(self.x + self.width, other.x + other.width) - x
        return Window(y, x, height, width, self.level) if height > 0 and width > 0 else None

    def inside(self, height: int, width: int) -> Window | None:
        """The part of it that lies in an image of that size, or None."""
        return self.intersection(Window(0, 0, height, width)) if height and width else None

    def contains(self, place: Place) -> bool:
        """Whether the pixel nearest to a place lies in it."""
        y, x = nearest_pixel(place)
        return self.y <= y < self.y + self.height and self.x <= x < self.x + self.width

    def seen_from(self, y: int, x: int) -> Window:
        """The same rectangle, counted from another pixel of the image than (0, 0)."""
        return Window(self.y - y, self.x - x, self.height, self.width, self.level)

    def enlarged(self, factor: int) -> Window:
        """The same rectangle in an image so many times as large."""
        y, x, height, width = (side * factor for side in (self.y, self.x, self.height, self.width))
        return Window(y, x, height, width, self.level)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns of an array that begins at image pixel (0, 0)."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def nearest_pixel(place: Place) -> tuple[int, int]:
    """The image pixel (y, x) nearest to a place; between two the lower one and the one right."""
    return math.floor(place.y + 0.5), math.floor(place.x + 0.5)


Axis = TypeVar("Axis", float, NDArray[np.float64])
Values = TypeVar("Values")
"""A number, an array or a tensor."""


def rescaled(places: Values, factor: float) -> Values:
    """Coordinates in a picture so many times as large; both count from a pixel's centre."""
    values: Any = places
    result: Values = (values + 0.5) * factor - 0.5
    return result


def unit_of_input(xy: Values, side: int) -> Values:
    """(x, y) in pixels of a square grid as (x, y) in 0..1 of its window."""
    values: Any = xy
    result: Values = (values + 0.5) / side
    return result


def input_of_unit(xy: Values, side: int) -> Values:
    """(x, y) in 0..1 of a window as (x, y) in pixels of a square grid over it."""
    values: Any = xy
    result: Values = values * side - 0.5
    return result


def pixel_centres(edge: float, length: float, count: int) -> NDArray[np.float64]:
    """The centres of so many equal pixels that fill a length from `edge` on: float64 (count,)."""
    centres: NDArray[np.float64] = edge + (np.arange(count) + 0.5) * length / count
    return centres


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """A square grid of pixels over a window: the picture that the model sees, or its logits.

    All arithmetic between the image, unit and input frames is here. side: its rows and columns.
    """

    window: Window
    side: int

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Image pixels per pixel of the grid, (down, across)."""
        return self.window.height / self.side, self.window.width / self.side

    def points_xy_unit(self, places: Sequence[Place]) -> NDArray[np.float32]:
        """Places in the image as (x, y) in 0..1 of the window: float32 (N, 2)."""
        return self._xy_unit(np.array([(p.x, p.y) for p in places], np.float64).reshape(-1, 2))

    def points_xy_input(self, places: Sequence[Place]) -> NDArray[np.float32]:
        """Places in the image as (x, y) in pixels of the grid: float32 (N, 2)."""
        return input_of_unit(self.points_xy_unit(places), self.side)

    def box_xyxy_input(self, box: Corners) -> NDArray[np.float32]:
        """A box as SAM's x0, y0, x1, y1 in pixels of the grid: float32 (4,)."""
        corners = np.array([(box.x_min, box.y_min), (box.x_max, box.y_max)], np.float64)
        return input_of_unit(self._xy_unit(corners), self.side).reshape(4)

    def _xy_unit(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        origin = np.array((self.window.x, self.window.y), np.float64)
        size = np.array((self.window.width, self.window.height), np.float64)
        return ((xy - origin + 0.5) / size).astype(np.float32)

    def rows_at(self, y: Axis) -> Axis:
        """Rows of the grid, fractions of a pixel included, at rows of the image."""
        return (y - self.window.y + 0.5) / self.pixel_size[0] - 0.5

    def columns_at(self, x: Axis) -> Axis:
        """Columns of the grid, fractions of a pixel included, at columns of the image."""
        return (x - self.window.x + 0.5) / self.pixel_size[1] - 0.5

    def y_of(self, rows: Axis) -> Axis:
        """Rows of the image at rows of the grid; the inverse of `rows_at`."""
        return self.window.y + (rows + 0.5) * self.pixel_size[0] - 0.5

    def x_of(self, columns: Axis) -> Axis:
        """Columns of the image at columns of the grid; the inverse of `columns_at`."""
        return self.window.x + (columns + 0.5) * self.pixel_size[1] - 0.5

    def indices(self, places: Sequence[Place]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the pixels that hold places; those outside at the nearest edge."""
        rows = self.rows_at(np.array([p.y for p in places], np.float64))
        columns = self.columns_at(np.array([p.x for p in places], np.float64))
        row, column = (
            np.clip(np.floor(axis + 0.5), 0, self.side - 1).astype(np.intp)
            for axis in (rows, columns)
        )
        return row, column

    def in_image(self, height: int, width: int) -> NDArray[np.bool_]:
        """Which pixels have their centre in an image of that size: bool (side, side)."""
        rows = pixel_centres(self.window.y, self.window.height, self.side)
        columns = pixel_centres(self.window.x, self.window.width, self.side)
        in_rows, in_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        inside: NDArray[np.bool_] = in_rows[:, None] & in_columns[None, :]
        return inside

    def part(self, inside: Window) -> Window:
        """A part of the window in whole pixels of the grid: at least one, perhaps beyond its end.

        inside: image pixels. Returns a rectangle in pixels of the grid.
        """
        y0, y1 = self._whole(inside.y - self.window.y, inside.height, self.window.height)
        x0, x1 = self._whole(inside.x - self.window.x, inside.width, self.window.width)
        return Window(y0, x0, y1 - y0, x1 - x0)

    def _whole(self, start: int, length: int, whole: int) -> tuple[int, int]:
        first = round(start * self.side / whole)
        return first, max(round((start + length) * self.side / whole), first + 1)

    def resize_box(self, inside: Window) -> tuple[float, float, float, float]:
        """A part of the window as PIL's resize takes it: left, upper, right, lower edge.

        inside: image pixels, within the window. Returns pixels of the grid, 0 being the outer edge
        of its first one.
        """
        window, side = self.window, self.side
        y0, x0 = (inside.y - window.y) / window.height, (inside.x - window.x) / window.width
        return (
            x0 * side,
            y0 * side,
            min(x0 * side + inside.width / window.width * side, side),
            min(y0 * side + inside.height / window.height * side, side),
        )


def square_window(y: float, x: float, side: float) -> Window:
    """A square window with that centre and side, image pixels, rounded to whole pixels."""
    n = max(1, math.ceil(side))
    return Window(math.floor(y - n / 2 + 0.5), math.floor(x - n / 2 + 0.5), n, n)


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of a tiled image: cores partition it exactly, windows overlap by the halo."""

    window: Window
    core: Window


def _intervals(length: int, core: int, halo: int) -> list[tuple[int, int, int, int]]:
    """(core start, core stop, window start, window stop) along one axis."""
    cuts = [*range(0, length, core), length]
    return [(a, b, max(0, a - halo), min(length, b + halo)) for a, b in pairwise(cuts)]


def tile_grid(height: int, width: int, *, core: int, halo: int) -> Iterator[Tile]:
    """Tiles of an image, row by row.

    core: side of the disjoint squares that partition the image. halo: what a tile's window sees
    beyond its core on every side, cut at the image's edge. Both image pixels.
    """
    if core < 1 or halo < 0:
        raise ValueError(f"Tiles need core >= 1 and halo >= 0, not {core} and {halo}.")
    for y0, y1, wy0, wy1 in _intervals(height, core, halo):
        for x0, x1, wx0, wx1 in _intervals(width, core, halo):
            yield Tile(
                window=Window(wy0, wx0, wy1 - wy0, wx1 - wx0),
                core=Window(y0, x0, y1 - y0, x1 - x0),
            )
