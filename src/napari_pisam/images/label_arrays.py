"""Labels of an image of any size: only where objects are do they take memory; a pyramid of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import Places, VirtualArray, places_of
from napari_pisam.images.overviews import LARGE_PIXELS, LARGE_SIDE, OVERVIEW_SIDE

SIDE = 256
"""Of a tile, pixels."""


class SparseLabels(VirtualArray):
    """Labels (..., H, W), zero where nothing was written, held in tiles of 256 x 256 pixels.

    shape: of any length from two on. dtype: an unsigned integer. It is read like a numpy array,
    with integers and slices; what is read is a copy. Rectangles of a plane are written.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any = np.uint32) -> None:
        super().__init__(shape, np.dtype(dtype))
        self._tiles: dict[tuple[int, ...], NDArray[Any]] = {}

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return len(self._tiles) * SIDE * SIDE * int(self.dtype.itemsize)

    @property
    def tiles(self) -> frozenset[tuple[int, ...]]:
        """Where something was written: the plane, and the row and column of the tile."""
        return frozenset(self._tiles)

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        *planes, rows, cols = (np.array(places, np.int64) for places in wanted)
        out = np.zeros([len(places) for places in wanted], self.dtype)
        for spot in product(*(range(len(places)) for places in planes)):
            plane = tuple(int(places[i]) for places, i in zip(planes, spot, strict=True))
            out[spot] = self.at(rows, cols, plane)
        return out

    def __setitem__(self, key: Any, values: Any) -> None:
        wanted, _ = places_of(key, self.shape)
        *planes, rows, cols = wanted
        if any(len(places) != 1 for places in planes) or rows.step != 1 or cols.step != 1:
            raise IndexError("Rectangles of one plane are written, nothing else.")
        plane = tuple(places[0] for places in planes)
        whole = np.broadcast_to(np.asarray(values, self.dtype), (len(rows), len(cols)))
        for ty, tx in product(_tiles_of(rows), _tiles_of(cols)):
            y0, y1 = max(rows.start, ty * SIDE), min(rows.stop, ty * SIDE + SIDE)
            x0, x1 = max(cols.start, tx * SIDE), min(cols.stop, tx * SIDE + SIDE)
            piece = whole[y0 - rows.start : y1 - rows.start, x0 - cols.start : x1 - cols.start]
            tile = self._tiles.get((*plane, ty, tx))
            if tile is None:
                if not piece.any():
                    continue
                tile = self._tiles[(*plane, ty, tx)] = np.zeros((SIDE, SIDE), self.dtype)
            tile[y0 - ty * SIDE : y1 - ty * SIDE, x0 - tx * SIDE : x1 - tx * SIDE] = piece

    def at(
        self, rows: NDArray[np.int64], cols: NDArray[np.int64], plane: tuple[int, ...] = ()
    ) -> NDArray[Any]:
        """The labels at some rows and columns, in any order, of one plane: (rows, columns)."""
        out = np.zeros((len(rows), len(cols)), self.dtype)
        down, across = _by_tile(rows), _by_tile(cols)
        for ty, tx in self._among(down, across, plane):
            tile, (i, y), (j, x) = self._tiles[(*plane, ty, tx)], down[ty], across[tx]
            out[np.ix_(i, j)] = tile[np.ix_(y, x)]
        return out

    def areas(self) -> dict[int, int]:
        """How many pixels each label has that is there."""
        found = Counter[int]()
        for tile in self._tiles.values():
            values, counts = np.unique(tile, return_counts=True)
            found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        del found[0]
        return dict(found)

    def _among(
        self, down: dict[int, Any], across: dict[int, Any], plane: tuple[int, ...]
    ) -> Iterator[tuple[int, int]]:
        """Tiles that hold something, among those rows and columns of tiles."""
        if len(down) * len(across) <= len(self._tiles):
            yield from (at for at in product(down, across) if (*plane, *at) in self._tiles)
            return
        for *where, ty, tx in list(self._tiles):
            if tuple(where) == plane and ty in down and tx in across:
                yield ty, tx


class LayeredLabels(SparseLabels):
    """Labels (..., H, W) of any size with coarser levels that follow what is written.

    A pixel of a coarser level is the one in the middle of those that it stands for. highest: the
    largest label that was ever written.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__(shape, dtype)
        self.highest = 0
        self._coarser: list[tuple[tuple[int, int], SparseLabels]] = []
        factor, sides = 1, self.shape[-2:]
        while max(sides) / factor > OVERVIEW_SIDE:
            factor *= 2
            along = (min(factor, sides[0]), min(factor, sides[1]))
            smaller = (sides[0] // along[0], sides[1] // along[1])
            self._coarser.append((along, SparseLabels((*self.shape[:-2], *smaller), dtype)))

    @property
    def levels(self) -> list[SparseLabels]:
        """All levels, the finest first: what a multiscale layer takes."""
        return [self, *(level for _, level in self._coarser)]

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write a block; values: of its shape, without the axes that the key fixes."""
        wanted, kept = places_of(key, self.shape)
        lengths = [len(places) for places in wanted]
        fixed = [n for n, part in zip(lengths, kept, strict=True) if isinstance(part, slice)]
        block = np.broadcast_to(np.asarray(values, self.dtype), fixed).reshape(lengths)
        *outer, rows, cols = wanted
        for spot in product(*(range(len(places)) for places in outer)):
            plane = tuple(places[i] for places, i in zip(outer, spot, strict=True))
            across = (slice(rows.start, rows.stop), slice(cols.start, cols.stop))
            super().__setitem__((*plane, *across), block[spot])
            self._write_coarser(plane, rows, cols)
        self.highest = max(self.highest, int(block.max(initial=0)))

    def _write_coarser(self, plane: tuple[int, ...], rows: range, cols: range) -> None:
        for factors, level in self._coarser:
            (top, bottom), (left, right) = (
                (-((f // 2 - places.start) // f), min(-((f // 2 - places.stop) // f), n))
                for f, places, n in zip(factors, (rows, cols), level.shape[-2:], strict=True)
            )
            if top < bottom and left < right:
                ys = np.arange(top, bottom) * factors[0] + factors[0] // 2
                xs = np.arange(left, right) * factors[1] + factors[1] // 2
                level[(*plane, slice(top, bottom), slice(left, right))] = self.at(ys, xs, plane)


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether labels of that shape (..., H, W) had better be a pyramid."""
    return math.prod(shape[-2:]) > LARGE_PIXELS or max(shape) > LARGE_SIDE


def _tiles_of(places: range) -> range:
    """The tiles that a stretch of rows or columns touches."""
    return range(places.start // SIDE, -(-places.stop // SIDE)) if len(places) else range(0)


def _by_tile(places: NDArray[np.int64]) -> dict[int, tuple[NDArray[Any], NDArray[np.int64]]]:
    """For each tile that the places touch: which of them are in it, and where in it."""
    tiles = places // SIDE
    order = np.argsort(tiles, kind="stable")
    numbers, starts = np.unique(tiles[order], return_index=True)
    pieces = np.split(order, starts[1:]) if len(order) else []
    return {int(n): (i, places[i] % SIDE) for n, i in zip(numbers, pieces, strict=True)}
