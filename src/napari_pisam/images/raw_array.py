"""Uncompressed arrays in a file, read where they are asked for."""

from __future__ import annotations

import io
import math
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import Places, VirtualArray

# Stretches of a file shorter than this are read in one go, wanted or not.
SHORT = 4096


class RawArray(VirtualArray):
    """The array of a file's bytes from an offset on, its last axis the quickest.

    Read by stretches and not mapped: of every 16th row only that row comes from the disk, and a
    file that is cut off while it is open is an EOFError and not the end of the process.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], offset: int, *, shape: tuple[int, ...]
    ) -> None:
        super().__init__(shape, dtype)
        self._offset = offset
        self._file = io.FileIO(path)
        self._lock = threading.Lock()
        sizes = [dtype.itemsize * math.prod(self.shape[a + 1 :]) for a in range(len(self.shape))]
        self._sizes = tuple(sizes)

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        out = np.empty([len(places) for places in wanted], self.dtype)
        if out.size:
            self._fill(out, wanted)
        return out

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _fill(self, out: NDArray[Any], wanted: Places) -> None:
        axis = self._stretch_axis(wanted)
        places = wanted[axis]
        first, last = min(places[0], places[-1]), max(places[0], places[-1])
        stretch = np.empty((last - first + 1, *self.shape[axis + 1 :]), self.dtype)
        inner = tuple(np.array(w) for w in wanted[axis + 1 :])
        picked = np.ix_(np.array(places) - first, *inner)
        whole = all(
            _is_all(p, n) for p, n in zip(wanted[axis + 1 :], stretch.shape[1:], strict=True)
        )
        for spot in product(*(range(len(w)) for w in wanted[:axis])):
            at = [w[i] for w, i in zip(wanted[:axis], spot, strict=True)]
            sizes = self._sizes[: axis + 1]
            start = sum(i * size for i, size in zip([*at, first], sizes, strict=True))
            self._read(stretch, self._offset + start)
            out[spot] = stretch[:: places.step] if whole and places.step > 0 else stretch[picked]

    def _stretch_axis(self, wanted: Places) -> int:
        """The outermost axis along which neighbours are read in one go."""
        axis = len(self.shape) - 1
        while axis and (
            self._sizes[axis - 1] < SHORT
            or (_is_all(wanted[axis], self.shape[axis]) and wanted[axis - 1].step == 1)
        ):
            axis -= 1
        return axis

    def _read(self, into: NDArray[Any], offset: int) -> None:
        view = into.reshape(-1).view(np.uint8).data
        done = 0
        with self._lock:
            self._file.seek(offset)
            while done < len(view):
                count = self._file.readinto(view[done:])
                if not count:
                    raise EOFError("it ends before its pixels do")
                done += count


def _is_all(places: range, length: int) -> bool:
    return places == range(length)
