"""Frames and rectangles: image, window, input; tiles. Nothing else converts between frames.

Frames. *image*: pixels (y, x), integer = pixel centre. *unit*: (x, y) in 0..1 of a window.
*input*: (x, y) in pixels of the square that the model sees, integer = pixel centre (SAM's).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

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

    def inside(self, height: int, width: int) -> Window | None:
        """The part of it that lies in an image of that size, or None."""
        y0, x0 = max(self.y, 0), max(self.x, 0)
        y1, x1 = min(self.y + self.height, height), min(self.x + self.width, width)
        if y1 <= y0 or x1 <= x0:
            return None
        return Window(y0, x0, y1 - y0, x1 - x0, self.level)

    def contains(self, click: Place) -> bool:
        """Whether the click's pixel lies in it."""
        y, x = math.floor(click.y + 0.5), math.floor(click.x + 0.5)
        return self.y <= y < self.y + self.height and self.x <= x < self.x + self.width


def points_xy_unit(window: Window, clicks: Sequence[Place]) -> NDArray[np.float32]:
    """Clicks as (x, y) in 0..1 of the window: float32 (N, 2)."""
    return _xy_unit(window, np.array([(c.x, c.y) for c in clicks], np.float64).reshape(-1, 2))


def _xy_unit(window: Window, xy: NDArray[np.float64]) -> NDArray[np.float32]:
    origin = np.array((window.x, window.y), np.float64)
    size = np.array((window.width, window.height), np.float64)
    return ((xy - origin + 0.5) / size).astype(np.float32)


def points_xy_input(window: Window, clicks: Sequence[Place], size: int) -> NDArray[np.float32]:
    """Clicks as (x, y) in pixels of a size x size input, integer = pixel centre: float32 (N, 2)."""
    return (points_xy_unit(window, clicks) * size - 0.5).astype(np.float32)


def box_xyxy_input(window: Window, box: Corners, size: int) -> NDArray[np.float32]:
    """A box as SAM's x0, y0, x1, y1 in input pixels: float32 (4,)."""
    corners = np.array([(box.x_min, box.y_min), (box.x_max, box.y_max)], np.float64)
    return (_xy_unit(window, corners) * size - 0.5).astype(np.float32).reshape(4)


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
