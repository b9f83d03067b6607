"""Synthetic tissue of any size with its ground truth, computed region by region.

Every pixel is a function of its place and the seed alone, so a region is the same whichever
larger one it is cut from, and on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_pisam.datasets.synthetic_cells import (
    Cells,
    Floats,
    Ownership,
    bells,
    nodes,
    owners,
    texture,
)
from napari_pisam.geometry import Window
from napari_pisam.images.lazy import Places, VirtualArray, as_slice

_Axes = tuple[Floats, Floats]
Kind = Literal["nuclei", "membranes", "cell labels", "nucleus labels"]

OVERVIEW_SIDE = 1024
# How many rows are painted at once, so that they stay in the processor's cache.
BAND = 64


@dataclass(frozen=True, eq=False)
class TissueRegion:
    """A piece of tissue.

    pixels: uint16 (h, w, 2), nuclei and membranes. cells, nuclei: uint32 (h, w), 0 for ground; a
    nucleus has the number of its cell.
    """

    pixels: NDArray[np.uint16]
    cells: NDArray[np.uint32]
    nuclei: NDArray[np.uint32]


def _smooth(unit: Floats) -> Floats:
    """Zero below 0, one above 1, and a soft step between."""
    t = np.clip(unit, 0, 1)
    return t * t * (3 - 2 * t)


class SyntheticTissue:
    """Packed cells with nuclei on a textured ground, two channels, with ground truth.

    height, width: pixels, any number. seed: another one, another tissue. pitch: the mean distance
    of two cells, pixels. Memory is that of the region asked for. Raises ValueError for sizes
    below one pixel or a pitch below eight.
    """

    def __init__(self, height: int, width: int, *, seed: int = 0, pitch: float = 40.0) -> None:
        if height < 1 or width < 1 or pitch < 8:
            raise ValueError(
                f"Tissue needs height, width >= 1 and pitch >= 8, not {height}, {width}, {pitch}."
            )
        self.height, self.width, self.seed, self.pitch = height, width, seed, float(pitch)
        self._columns = math.ceil(width / pitch) + 4
        self._last: tuple[tuple[range, range], TissueRegion] | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """Every how many pixels a pyramid level has one: 1, 2, 4 ... down to an overview."""
        longest = max(self.height, self.width)
        count = max(0, math.ceil(math.log2(longest / OVERVIEW_SIDE)))
        return tuple(2**k for k in range(count + 1))

    def levels(self, kind: Kind) -> list[TissueArray]:
        """Lazy arrays (h, w) of one channel or one ground truth, finest first."""
        return [TissueArray(self, kind, step) for step in self.steps]

    def region(self, window: Window) -> TissueRegion:
        """The part of a window inside the image, at full resolution."""
        part = window.inside(self.height, self.width)
        if part is None:
            return self.sampled(range(0), range(0))
        return self.sampled(range(part.y, part.y + part.height), range(part.x, part.x + part.width))

    def remembered(self, rows: range, cols: range) -> TissueRegion:
        """The same as `sampled`, computed once for several requests in a row; not to be written to.

        A viewer requests each channel and each truth of a view in turn.
        """
        last = self._last
        if last is None or last[0] != (rows, cols):
            last = ((rows, cols), self.sampled(rows, cols))
            for array in (last[1].pixels, last[1].cells, last[1].nuclei):
                array.setflags(write=False)
            self._last = last
        return last[1]

    def sampled(self, rows: range, cols: range) -> TissueRegion:
        """The pixels at some rows and columns of the image, equally spaced."""
        if not len(rows) or not len(cols):
            flat = np.zeros((len(rows), len(cols)), np.uint32)
            return TissueRegion(np.zeros((*flat.shape, 2), np.uint16), flat, flat.copy())
        y, x = np.array(rows, np.float64), np.array(cols, np.float64)
        i, j = nodes(y, self.pitch), nodes(x, self.pitch)
        cells = Cells(i, j, self.pitch, seed=self.seed)
        down, across = (np.asarray((n + 0.5) * self.pitch, np.float64) for n in (i, j))
        lumens = texture(down, across, self.pitch * 9, seed=self.seed + 1)
        present = ~cells.missing.reshape(lumens.shape) & (lumens > 0.3)
        owned = owners(cells, present, pitch=self.pitch, y=y, x=x)
        shape = (len(y), len(x))
        region = TissueRegion(
            np.empty((*shape, 2), np.uint16), np.empty(shape, np.uint32), np.empty(shape, np.uint32)
        )
        for start in range(0, len(y), BAND):
            band = slice(start, start + BAND)
            self._paint(region, band, cells, owners=owned.rows(band), axes=(y[band], x))
        return region

    def _paint(
        self, region: TissueRegion, band: slice, cells: Cells, *, owners: Ownership, axes: _Axes
    ) -> None:
        """Fill some rows of a region: both ground truths, both channels, noise."""
        y, x = axes
        owned, n = owners.cell >= 0, np.maximum(owners.cell, 0)
        inside = owned & (owners.nearest < 1)
        nucleus = cells.nucleus_distance(n, y[:, None], x[None])
        numbers = np.where(inside, (cells.row[n] + 2) * self._columns + cells.col[n] + 3, 0)
        region.cells[band] = numbers
        region.nuclei[band] = np.where(nucleus < 1, numbers, 0)
        grain = texture(y, x, 5.0, seed=self.seed + 2)
        ground = 350 + 450 * texture(y, x, self.pitch * 5, seed=self.seed + 3) + 160 * grain
        depth = np.minimum(1 - owners.nearest, (owners.second - owners.nearest) * 0.7)
        rim = _smooth(1 - np.where(inside, depth / 0.2, (owners.nearest - 1) / 0.1))
        body = np.where(inside, 500 + 500 * grain, 0) + np.where(owned, 3200 * rim, 0)
        core = np.where(inside, _smooth((1 - nucleus) / 0.24 + 0.5), 0)
        chromatin = 0.6 + 0.8 * texture(y, x, 3.5, seed=self.seed + 4)
        signals = (
            ground + core * cells.nucleus_light[n] * chromatin,
            ground * 0.8 + body * (1 - 0.6 * core) * cells.light[n],
        )
        noises = bells(self.seed, y.astype(np.int64)[:, None], x.astype(np.int64)[None])
        for k, (signal, noise) in enumerate(zip(signals, noises, strict=True)):
            noisy = signal + noise * (25 + 2.2 * np.sqrt(signal))
            region.pixels[band, :, k] = np.clip(noisy, 0, 65535)


class TissueArray(VirtualArray):
    """An array (h, w) of one channel or ground truth of a tissue, at every step-th pixel."""

    def __init__(self, tissue: SyntheticTissue, kind: Kind, step: int) -> None:
        self._tissue, self._kind = tissue, kind
        self._rows = range(step // 2 if step < tissue.height else 0, tissue.height, step)
        self._cols = range(step // 2 if step < tissue.width else 0, tissue.width, step)
        dtype = np.dtype(np.uint32 if kind.endswith("labels") else np.uint16)
        super().__init__((len(self._rows), len(self._cols)), dtype)

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        rows, cols = self._rows[as_slice(wanted[0])], self._cols[as_slice(wanted[1])]
        region = self._tissue.remembered(rows, cols)
        views: dict[Kind, NDArray[Any]] = {
            "nuclei": region.pixels[..., 0],
            "membranes": region.pixels[..., 1],
            "cell labels": region.cells,
            "nucleus labels": region.nuclei,
        }
        return views[self._kind]
