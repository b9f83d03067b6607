"""The places of the cells of synthetic tissue, and the noise that every pixel gets.

Only correctly rounded arithmetic (no sine, no exponential) and a hash of coordinates are used:
each number is a function of its place and the seed, whatever is computed beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# In units of the pitch: how far a cell's centre strays, and the farthest any cell reaches.
JITTER = 0.3
REACH = 1.07
# Distances are in units of a cell's radius; beyond this one a cell is not looked at.
FARTHEST = 1.2
DRAWS = 14
# How many values are worked on at once, so that they stay in the processor's cache.
BATCH = 32_768


def _hash(*keys: Any) -> NDArray[np.uint64]:
    """64 well-mixed bits for integer keys (broadcast against each other)."""
    mixed = np.zeros((1,), np.uint64)
    for key in keys:
        # Adding wraps round at 64 bits on purpose; so do the products.
        mixed = mixed + np.asarray(key, np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def uniform(*keys: Any) -> Floats:
    """A number in 0..1 for integer keys."""
    return np.asarray((_hash(*keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def bells(*keys: Any) -> tuple[Floats, Floats]:
    """Two nearly standard normal numbers for integer keys, each three uniform ones added up."""
    bits = _hash(*keys)
    parts = [((bits >> np.uint64(s)) & np.uint64(1023)).astype(np.int64) for s in range(0, 60, 10)]
    first, second = parts[0] + parts[1] + parts[2], parts[3] + parts[4] + parts[5]
    return first / 511.5 - 3.0, second / 511.5 - 3.0


def texture(y: Floats, x: Floats, size: float, *, seed: int) -> Floats:
    """Smooth noise in 0..1 with features of `size` pixels; y (h,), x (w,) give (h, w)."""
    rows, cols = np.floor(y / size).astype(np.int64), np.floor(x / size).astype(np.int64)
    fy, fx = y / size - rows, x / size - cols
    fy, fx = (fy * fy * (3 - 2 * fy))[:, None], (fx * fx * (3 - 2 * fx))[None]
    rows_at = np.arange(rows[0], rows[-1] + 2)[:, None]
    cols_at = np.arange(cols[0], cols[-1] + 2)[None]
    grid = uniform(seed, rows_at, cols_at)
    above, left = rows - rows[0], cols - cols[0]
    top = grid[above][:, left] * (1 - fx) + grid[above][:, left + 1] * fx
    bottom = grid[above + 1][:, left] * (1 - fx) + grid[above + 1][:, left + 1] * fx
    mixed: Floats = top * (1 - fy) + bottom * fy
    return mixed


class Cells:
    """The cells of a block of the jittered grid; every field is an array (rows * columns,)."""

    def __init__(
        self, i: NDArray[np.int64], j: NDArray[np.int64], pitch: float, *, seed: int
    ) -> None:
        rows, cols = (a.ravel() for a in np.meshgrid(i, j, indexing="ij"))
        draw = [uniform(seed, rows, cols, k) for k in range(DRAWS)]
        self.row, self.col = rows, cols
        self.y = (rows + 0.5 + (draw[0] - 0.5) * 2 * JITTER) * pitch
        self.x = (cols + 0.5 + (draw[1] - 0.5) * 2 * JITTER) * pitch
        self.radius = pitch * (0.44 + 0.18 * draw[2])
        # A direction from a rational parametrisation of the half circle: no sine needed.
        t = draw[3] * 2 - 1
        self.cos, self.sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        self.stretch = np.sqrt(1 + 0.4 * draw[4])
        self.waves = tuple((draw[k] - 0.5) * 0.14 for k in (5, 6, 7))
        self.nucleus_y = self.y + (draw[8] - 0.5) * 0.25 * self.radius
        self.nucleus_x = self.x + (draw[9] - 0.5) * 0.25 * self.radius
        self.nucleus_radius = self.radius * (0.4 + 0.15 * draw[10])
        self.nucleus_light = 2500 + 5500 * draw[11]
        self.light = 0.55 + 0.9 * draw[12]
        self.missing = draw[13] < 0.04

    def distance(self, n: NDArray[np.int64], y: Floats, x: Floats) -> NDArray[np.float32]:
        """Distances from cells n in units of their wavy outlines (below 1 inside): (n, h, w).

        y (n, h), x (n, w): the places of interest for each cell. Single precision from here on.
        """

        def of(field: Floats) -> NDArray[np.float32]:
            return field[n].astype(np.float32)[:, None, None]

        dy = (y - self.y[n][:, None]).astype(np.float32)[:, :, None]
        dx = (x - self.x[n][:, None]).astype(np.float32)[:, None, :]
        u = (dx * of(self.cos) + dy * of(self.sin)) / of(self.stretch)
        v = (dy * of(self.cos) - dx * of(self.sin)) * of(self.stretch)
        uu, vv = u * u, v * v
        square = uu + vv + np.float32(1e-9)
        r = np.sqrt(square)
        two, three, other = (of(wave) for wave in self.waves)
        third = (three * u * (uu - 3 * vv) + other * v * (3 * uu - vv)) / r
        wave = (two * (uu - vv) + third) / square
        return np.asarray(r / (of(self.radius) * (1 + wave)))

    def nucleus_distance(self, n: NDArray[np.int64], y: Floats, x: Floats) -> Floats:
        """The same for their nuclei, plain ellipses; n, y, x broadcast."""
        dy, dx = y - self.nucleus_y[n], x - self.nucleus_x[n]
        u = (dx * self.cos[n] + dy * self.sin[n]) / self.stretch[n]
        v = (dy * self.cos[n] - dx * self.sin[n]) * self.stretch[n]
        return np.asarray(np.sqrt(u * u + v * v) / self.nucleus_radius[n])


@dataclass(frozen=True, eq=False)
class Ownership:
    """For each pixel its nearest cell (-1: none) and the distances to the nearest two: (h, w)."""

    cell: NDArray[np.int64]
    nearest: NDArray[np.float32]
    second: NDArray[np.float32]

    def rows(self, part: slice) -> Ownership:
        """Some rows of it."""
        return Ownership(self.cell[part], self.nearest[part], self.second[part])


def nodes(places: Floats, pitch: float) -> NDArray[np.int64]:
    """The grid rows (or columns) whose cells may reach the places along one axis."""
    first = math.floor(places[0] / pitch - REACH - JITTER - 0.5)
    last = math.ceil(places[-1] / pitch + REACH + JITTER + 0.5)
    return np.arange(max(first, -2), last + 1)


def owners(
    cells: Cells, present: NDArray[np.bool_], *, pitch: float, y: Floats, x: Floats
) -> Ownership:
    """Which cell each pixel belongs to; present: bool (grid rows, grid columns).

    Cells are taken in classes whose members are too far apart to share a pixel, so that many can
    be drawn at once.
    """
    shape = (len(y), len(x))
    found = Ownership(
        np.full(shape, -1, np.int64),
        np.full(shape, FARTHEST, np.float32),
        np.full(shape, FARTHEST, np.float32),
    )
    side_y, apart_y = _patch(y, pitch)
    side_x, apart_x = _patch(x, pitch)
    batch = max(1, BATCH // (side_y * side_x))
    numbers = np.arange(present.size).reshape(present.shape)
    for a in range(min(apart_y, present.shape[0])):
        for b in range(min(apart_x, present.shape[1])):
            chosen = (slice(a, None, apart_y), slice(b, None, apart_x))
            members = numbers[chosen][present[chosen]]
            for start in range(0, len(members), batch):
                n = members[start : start + batch]
                rows = _places(cells.y[n] - REACH * pitch, y, side_y)
                cols = _places(cells.x[n] - REACH * pitch, x, side_x)
                _assign(cells, n, found, indices=(rows, cols), axes=(y, x))
    return found


def _patch(places: Floats, pitch: float) -> tuple[int, int]:
    """How many places a cell may span along one axis, and how many nodes apart two are disjoint."""
    step = places[1] - places[0] if len(places) > 1 else 1.0
    side = math.ceil(2 * REACH * pitch / step) + 2
    return side, math.ceil(side * step / pitch + 2 * JITTER)


def _places(starts: Floats, places: Floats, side: int) -> NDArray[np.int64]:
    """The indices of `side` consecutive places from each start on: (n, side)."""
    step = places[1] - places[0] if len(places) > 1 else 1.0
    first = np.floor((starts - places[0]) / step).astype(np.int64)
    return np.asarray(first[:, None] + np.arange(side))


def _assign(
    cells: Cells,
    n: NDArray[np.int64],
    found: Ownership,
    *,
    indices: tuple[NDArray[np.int64], NDArray[np.int64]],
    axes: tuple[Floats, Floats],
) -> None:
    """Give the pixels that cells n may reach to the nearest cell; no two of n share a pixel."""
    (rows, cols), (y, x) = indices, axes
    in_rows, in_cols = (rows >= 0) & (rows < len(y)), (cols >= 0) & (cols < len(x))
    seen = in_rows.any(1) & in_cols.any(1)
    rows, cols, in_rows, in_cols, n = rows[seen], cols[seen], in_rows[seen], in_cols[seen], n[seen]
    row, col = np.clip(rows, 0, len(y) - 1), np.clip(cols, 0, len(x) - 1)
    distance = cells.distance(n, y[row], x[col])
    near = (distance < FARTHEST) & in_rows[:, :, None] & in_cols[:, None, :]
    k, r, c = np.nonzero(near)
    d, r, c = distance[k, r, c], row[k, r], col[k, c]
    best = found.nearest[r, c]
    closer = d < best
    found.second[r, c] = np.minimum(found.second[r, c], np.where(closer, best, d))
    r, c = r[closer], c[closer]
    found.nearest[r, c], found.cell[r, c] = d[closer], n[k[closer]]
