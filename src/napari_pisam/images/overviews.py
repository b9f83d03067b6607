"""Coarser levels of images that have none, computed where they are read."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import DisplayArray, LazyArray, Places, as_slice

# A plane beyond either of these gets coarser levels, to be shown and to be read at a coarse scale.
LARGE_PIXELS = 8192 * 8192
LARGE_SIDE = 16_384
OVERVIEW_SIDE = 2048
# A pixel of an overview is the mean of so many pixels each way, evenly spread over its area.
SAMPLES = 4
# So many rows and columns are read at once, so that memory does not grow with the request; long
# stretches of a row, because neighbours in a row are neighbours in the file.
BLOCK = 2048
KEPT_BYTES = 128_000_000


class Overview(DisplayArray):
    """An array with a pixel for every few pixels of another, along two of its axes.

    array: lazy, of any shape. factors: how many pixels become one, powers of two, along rows and
    columns. plane: which axes those are. nearest: take one pixel of them (for labels) in place of
    the mean of at most 4 x 4. A pixel depends on its place alone, whatever it is read with. What
    does not fill a pixel at the far edges is left out. Whole planes of the size of an overview
    are kept once they are computed, up to 128 MB.
    """

    def __init__(
        self,
        array: LazyArray,
        factors: tuple[int, int],
        *,
        plane: tuple[int, int],
        nearest: bool = False,
    ) -> None:
        self._array, self.factors, self._plane, self._nearest = array, factors, plane, nearest
        # Planes are computed one by one, with the axes behind rows and columns (colours) in one go.
        self._outer = tuple(a for a in range(max(plane)) if a not in plane)
        shape = [int(n) for n in array.shape]
        for axis, factor in zip(plane, factors, strict=True):
            shape[axis] //= factor
        super().__init__(shape, np.dtype(array.dtype))
        self._kept: OrderedDict[Places, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def exact(self) -> None:
        """No level of a file: what it is computed from is a level beside it."""
        return None

    @property
    def outer_shape(self) -> tuple[int, ...]:
        """The lengths of the axes before rows and columns."""
        return tuple(self.shape[a] for a in self._outer)

    def steps(self, outer: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
        """Compute and keep a whole plane, yielding (blocks done, blocks in all).

        outer: the index of the plane on the axes before rows and columns.
        """
        at = dict(zip(self._outer, outer, strict=True))
        yield from self._compute(
            tuple(
                range(at[a], at[a] + 1) if a in at else range(n) for a, n in enumerate(self.shape)
            )
        )

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        """See VirtualArray; each plane is computed by itself."""
        out = np.empty([len(places) for places in wanted], self.dtype)
        if not out.size:
            return out
        for spot in product(*(range(len(wanted[a])) for a in self._outer)):
            here, inside = list(wanted), [slice(None)] * self.ndim
            for axis, i in zip(self._outer, spot, strict=True):
                here[axis] = range(wanted[axis][i], wanted[axis][i] + 1)
                inside[axis] = slice(i, i + 1)
            out[tuple(inside)] = self._of_plane(tuple(here))
        return out

    def _of_plane(self, wanted: Places) -> NDArray[Any]:
        """The pixels of one plane, from a plane that is kept when much of it is wanted."""
        whole = tuple(wanted[a] if a in self._outer else range(n) for a, n in enumerate(self.shape))
        with self._lock:
            kept = self._kept.get(whole)
        pixels = math.prod(self.shape[a] for a in self._plane)
        much = 2 * math.prod(len(wanted[a]) for a in self._plane) >= pixels
        if kept is None and much and pixels <= OVERVIEW_SIDE**2:
            for _ in self._compute(whole):
                pass
            kept = self._kept.get(whole)
        if kept is None:
            return self._region(wanted)
        return kept[
            tuple(
                slice(None) if a in self._outer else as_slice(places)
                for a, places in enumerate(wanted)
            )
        ]

    def _compute(self, whole: Places) -> Iterator[tuple[int, int]]:
        out = np.empty([len(places) for places in whole], self.dtype)
        blocks = list(self._blocks(whole))
        for done, block in enumerate(blocks, 1):
            self._fill(out, whole, block)
            yield done, len(blocks)
        with self._lock:
            self._kept[whole] = out
            while sum(a.nbytes for a in self._kept.values()) > KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)

    def _region(self, wanted: Places) -> NDArray[Any]:
        """Pixels that are computed and not kept."""
        spanned = list(wanted)
        thin = [slice(None)] * self.ndim
        for axis in self._plane:
            places = wanted[axis]
            low, high = min(places[0], places[-1]), max(places[0], places[-1])
            spanned[axis] = range(low, high + 1)
            thin[axis] = slice(None, None, places.step)
        out = np.empty([len(places) for places in spanned], self.dtype)
        for block in self._blocks(tuple(spanned)):
            self._fill(out, tuple(spanned), block)
        return out[tuple(thin)]

    def _blocks(self, wanted: Places) -> Iterator[tuple[range, range]]:
        """Pieces of a rectangle, on a grid that is the same for every rectangle."""
        cuts = []
        for axis, factor in zip(self._plane, self.factors, strict=True):
            samples = 1 if self._nearest else min(factor, SAMPLES)
            places, side = wanted[axis], max(1, BLOCK // samples)
            edges = [places.start, *range(places.start // side * side + side, places.stop, side)]
            cuts.append(
                [range(a, b) for a, b in zip(edges, [*edges[1:], places.stop], strict=True)]
            )
        rows, cols = cuts
        return product(rows, cols)

    def _fill(self, out: NDArray[Any], wanted: Places, block: tuple[range, range]) -> None:
        source = [as_slice(places) for places in wanted]
        target = [slice(None)] * self.ndim
        for axis, factor, places in zip(self._plane, self.factors, block, strict=True):
            step = factor if self._nearest else max(1, factor // SAMPLES)
            source[axis] = slice(places.start * factor + step // 2, places.stop * factor, step)
            first = wanted[axis].start
            target[axis] = slice(places.start - first, places.stop - first)
        pixels = np.asarray(self._array[tuple(source)])
        out[tuple(target)] = pixels if self._nearest else self._means(pixels, block)

    def _means(self, pixels: NDArray[Any], block: tuple[range, range]) -> NDArray[Any]:
        kind, wide = self.dtype.kind, self.dtype.itemsize > 2
        values = np.moveaxis(pixels, self._plane, (0, 1))
        rows, cols = (len(places) for places in block)
        shape = (rows, values.shape[0] // rows, cols, values.shape[1] // cols, *values.shape[2:])
        with np.errstate(invalid="ignore", over="ignore"):
            mean = values.reshape(shape).mean((1, 3), dtype=np.float64 if wide else np.float32)
        mean = np.moveaxis(mean, (0, 1), self._plane)
        if kind == "b":
            return np.asarray(mean >= 0.5)
        return np.asarray(np.rint(mean) if kind in "iu" else mean).astype(self.dtype)


def with_overviews(
    levels: Sequence[LazyArray], plane: tuple[int, int] = (0, 1), *, nearest: bool = False
) -> tuple[LazyArray, ...]:
    """The levels, and coarser ones down to an overview when the coarsest is still large.

    plane: which axes are rows and columns. nearest: for labels. Nothing is read.
    """
    last = levels[-1]
    sides = tuple(int(last.shape[axis]) for axis in plane)
    if math.prod(sides) <= LARGE_PIXELS and max(sides) <= LARGE_SIDE:
        return tuple(levels)
    coarser: list[LazyArray] = []
    factor = 1
    while max(sides) / factor > OVERVIEW_SIDE:
        factor *= 2
        along = tuple(min(factor, 2 ** (n.bit_length() - 1)) for n in sides)
        coarser.append(Overview(last, (along[0], along[1]), plane=plane, nearest=nearest))
    return (*levels, *coarser)
