"""Arrays of damaged files as a viewer can show them: what cannot be read is black."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import DisplayArray, LazyArray, Places, slices_of
from napari_pisam.images.source import ImageError

# What cannot be read is looked for down to pieces of this length; the sides of tiles are multiples
# of it, nearly always.
PIECE = 64


class SalvagedArray(DisplayArray):
    """An array that has zeros where the file is damaged, in place of an error at each repaint.

    exact: the array that raises ImageError there; masks are made from it. report: is called with
    the error's sentence, each time.
    """

    def __init__(self, exact: LazyArray, report: Callable[[str], None]) -> None:
        super().__init__(exact.shape, np.dtype(exact.dtype))
        self._exact, self._report = exact, report

    @property
    def exact(self) -> LazyArray:
        """The array that raises ImageError where the file is damaged."""
        return self._exact

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        try:
            return np.asarray(self._exact[slices_of(wanted)])
        except ImageError as error:
            self._report(str(error))
        out = np.zeros([len(places) for places in wanted], self.dtype)
        self._salvage(out, wanted)
        return out

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
                place[...] = self._exact[slices_of(half)]
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
