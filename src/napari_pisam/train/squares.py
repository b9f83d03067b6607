"""Squares of the low-resolution grid, on which the object modules are trained.

The Object Embedder, the interactor and the head work cell by cell with small margins: a square
round the object costs a fraction of the window, and several objects fit into one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDER_MARGIN = 5
"""Cells beyond a cell that the Object Embedder reads, its learned offsets aside: 1, 1 and 3."""
INTERACTOR_MARGIN = 5
"""Cells beyond a cell that the interactor's convolutions read."""
HEAD_MARGIN = 1
"""Cells beyond a cell that the two convolutions of the head read."""


@dataclass(frozen=True, slots=True)
class Squares:
    """One square of the window's grid for each row of a batch.

    corners: int64 (N, 2), row and column of the first cell. side: cells of a square; grid: cells
    of the window along a side.
    """

    corners: Tensor
    side: int
    grid: int

    def cut(self, values: Tensor) -> Tensor:
        """(N, C, k * grid, k * grid) for any whole k -> (N, C, k * side, k * side)."""
        if self.side == self.grid:
            return values
        k = values.shape[-1] // self.grid
        corners: list[tuple[int, int]] = [(int(r) * k, int(c) * k) for r, c in self.corners]
        n = self.side * k
        parts = [v[:, r : r + n, c : c + n] for v, (r, c) in zip(values, corners, strict=True)]
        return torch.stack(parts)

    def inner_xyxy_unit(self, margin: int) -> Tensor:
        """The part of each square where its own edge has no effect: (N, 4) in 0..1 of it.

        margin: cells; none is taken off where the square ends at the window's edge, where zeros
        stand for the outside as they do in the whole window. At least the middle half is left.
        """
        margin = min(margin, self.side // 4)
        first = (self.corners > 0).float() * margin
        last = self.side - (self.corners + self.side < self.grid).float() * margin
        return torch.cat([first.flip(1), last.flip(1)], 1) / self.side

    def hold(self, xy_unit: Tensor) -> Tensor:
        """Which of the window's points (N, K, 2) in 0..1 lie in their row's square: bool (N, K)."""
        cells = xy_unit * self.grid - self.corners.flip(1).unsqueeze(1).to(xy_unit.device)
        return ((cells >= 0) & (cells < self.side)).all(-1)

    def to(self, device: torch.device) -> Squares:
        """The same with its corners on that device."""
        return Squares(self.corners.to(device), self.side, self.grid)


def place_square(cells: NDArray[np.bool_], side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a square round the cells: bool (L, L).

    It holds all of them when they fit, at a random place; a random one of them lies in it
    otherwise. Without any cell it lies anywhere.
    """
    grid = len(cells)
    free = grid - side
    rows, columns = np.nonzero(cells)
    if not len(rows):
        return int(rng.integers(free + 1)), int(rng.integers(free + 1))
    pick = int(rng.integers(len(rows)))
    corner = []
    for found in (rows, columns):
        first, last = int(found.min()), int(found.max())
        if last - first >= side:
            first = last = int(found[pick])
        low, high = max(0, last - side + 1), min(first, free)
        # the mean of two draws prefers the middle, where the square shows the surroundings too
        at = rng.integers(low, high + 1, 2).mean() if low < high else min(low, free)
        corner.append(int(at))
    return corner[0], corner[1]


def object_squares(
    target: Tensor, low_logits: Tensor, side: int, *, rng: np.random.Generator
) -> Squares:
    """Squares round objects, in some rows round the predicted mask or anywhere.

    target (N, 1, S, S) in 0..1; low_logits (N, 1, L, L).
    """
    grid = low_logits.shape[-1]
    side = min(side, grid)
    truth = F.adaptive_max_pool2d(target, grid).squeeze(1).cpu().numpy() > 0.5
    predicted = (low_logits > 0).squeeze(1).cpu().numpy()
    corners = []
    for own, found in zip(truth, predicted, strict=True):
        kind = rng.random()
        cells = own if kind < 0.8 else found if kind < 0.93 else np.zeros_like(own)
        corners.append(place_square(cells, side, rng))
    return Squares(torch.tensor(corners, dtype=torch.long), side, grid)


def click_squares(
    clicks_xy_unit: Sequence[NDArray[np.float32]],
    grid: int,
    side: int,
    *,
    rng: np.random.Generator,
) -> Squares:
    """Squares that hold a random one of each row's clicks, (K, 2) in 0..1 of the window."""
    side = min(side, grid)
    corners = []
    for clicks in clicks_xy_unit:
        x, y = np.minimum((clicks[rng.integers(len(clicks))] * grid).astype(int), grid - 1)
        cells = np.zeros((grid, grid), np.bool_)
        cells[y, x] = True
        corners.append(place_square(cells, side, rng))
    return Squares(torch.tensor(corners, dtype=torch.long), side, grid)


def rgb_on_squares(rgb_embed: nn.Sequential, normalised: Tensor, squares: Squares) -> Tensor:
    """The RGB embedding of the squares' pixels, equal to the same part of the whole window's.

    normalised (N, 3, S, S) -> (N, 8, k * side, k * side) with k = S / grid.
    """
    point, mix = rgb_embed
    assert isinstance(mix, nn.Conv2d)
    if squares.side == squares.grid:
        whole: Tensor = rgb_embed(normalised)
        return whole
    size = normalised.shape[-1]
    k = size // squares.grid
    n = squares.side * k
    parts = []
    for image, (row, column) in zip(normalised, squares.corners, strict=True):
        y, x = int(row) * k, int(column) * k
        y0, x0, y1, x1 = max(y - 1, 0), max(x - 1, 0), min(y + n + 1, size), min(x + n + 1, size)
        inside = point(image[:, y0:y1, x0:x1])
        # only at the window's edge do zeros stand for the outside
        parts.append(F.pad(inside, (x0 - x + 1, x + n + 1 - x1, y0 - y + 1, y + n + 1 - y1)))
    return F.conv2d(torch.stack(parts), mix.weight, mix.bias)
