"""Arrays of damaged files as a viewer can show them: what cannot be read is black."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import LazyArray, Places, as_slice, places_of
from napari_pisam.images.source import ImageError

# What cannot be read is looked for down to pieces of this length; the sides of tiles are multiples
# of it, nearly always.
PIECE = 64


class SalvagedArray:
    """A lazy array that has zeros where the file is damaged, in place of an error at each repaint.

    exact: the array that raises ImageError there; masks are made from it. tell: is told the
    sentence, each time.
    """

    def __init__(self, exact: LazyArray, tell: Callable[[str], None]) -> None:
        self.exact, self._tell = exact, tell
        self.shape = tuple(int(n) for n in exact.shape)
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        self.dtype = np.dtype(exact.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.exact[key])
        except ImageError as error:
            self._tell(str(error))
        wanted, kept = places_of(key, self.shape)
        out = np.zeros([len(places) for places in wanted], self.dtype)
        self._salvage(out, wanted)
        return out[kept]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def _salvage(self, out: NDArray[Any], wanted: Places) -> None:
        """Read halves of what did not read as a whole, and halves of those."""
        axis = max(range(self.ndim), key=lambda a: len(wanted[a]))
        middle = _middle(wanted[axis])
        if not middle:
            return
        for part in (slice(0, middle), slice(middle, len(wanted[axis]))):
            half = (*wanted[:axis], wanted[axis][part], *wanted[axis + 1 :])
            place = out[(*(slice(None),) * axis, part)]
            try:
                place[...] = self.exact[tuple(as_slice(places) for places in half)]
            except ImageError:
                self._salvage(place, half)


def _middle(places: range) -> int:
    """Where to cut a stretch in two, at the edge of a tile where one may be; 0 for not at all."""
    half = len(places) // 2
    if places.step == 1:
        inside = range((places.start // PIECE + 1) * PIECE, places.stop, PIECE)
        if inside:
            return inside[len(inside) // 2] - places.start
    return half if len(places) > PIECE else 0
