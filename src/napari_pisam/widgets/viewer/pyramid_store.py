"""Labels of images that are too large for one texture: written at every level of a pyramid.

napari edits no pyramid itself: brush and eraser stay grey for such a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.lazy import places_of
from napari_pisam.images.sparse_labels import SparseLabels
from napari_pisam.images.thinned import LARGE_PIXELS, LARGE_SIDE, OVERVIEW_SIDE
from napari_pisam.session.label_store import LabelStoreError, where
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.frames import unlisted

if TYPE_CHECKING:
    from napari.layers import Labels


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether labels of that shape (..., H, W) had better be a pyramid."""
    return math.prod(shape[-2:]) > LARGE_PIXELS or max(shape) > LARGE_SIDE


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


def layered_of(layer: Labels) -> LayeredLabels | None:
    """The labels of a layer that is such a pyramid, else None."""
    finest = layer.data[0] if layer.multiscale else None
    return finest if isinstance(finest, LayeredLabels) else None


class PyramidLabelStore:
    """A layer of `LayeredLabels`, read and written a rectangle at a time; see LabelStore."""

    def __init__(self, layer: Labels, labels: LayeredLabels, key: str) -> None:
        self.layer, self._labels = layer, labels
        self._key = key
        self.close: Callable[[], None] = lambda: None

    @property
    def key(self) -> str:
        """See LabelStore."""
        return self._key

    @property
    def largest_value(self) -> int:
        """See LabelStore."""
        return int(np.iinfo(self._labels.dtype).max)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever written."""
        return self._labels.highest == 0

    def next_label(self) -> int:
        """See LabelStore."""
        self._labels.highest += 1
        return self._labels.highest

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        """See LabelStore."""
        found = self._labels[where(index, window)]
        if found.shape != (window.height, window.width):
            raise LabelStoreError(
                f"The labels layer “{self.layer.name}” is smaller than the image."
            )
        return found

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        """See LabelStore."""
        if np.array_equal(self.read(index, window), values):
            return
        self._labels[where(index, window)] = values
        # napari keeps the coarsest level of a plane; given the same levels again, it reads it anew.
        if napari.__version__.startswith("0.7."):
            # It keeps no copy, and its labels layers do not take the levels a second time.
            self.layer.refresh(extent=False)
            return
        with unlisted(self.layer), self.layer.events.data.blocker():
            self.layer.data = self._labels.levels
