"""Which planes of a TIFF are in the file, whatever its metadata says."""

from __future__ import annotations

import math
import struct
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_pisam.images.lazy import LazyArray, Places, VirtualArray, slices_of
from napari_pisam.images.source import ImageError, ImageWarning

# Planes of an ImageJ stack, outermost first, by the order that its metadata names.
IMAGEJ_ORDERS = {"czt": "TZC", "ctz": "ZTC", "zct": "TCZ", "ztc": "CTZ", "tcz": "ZCT", "tzc": "CZT"}
# More planes than these are a damaged number.
MOST_PLANES = 1_000_000
COUNTS = {"T": "frames", "Z": "slices", "C": "channels"}


def without_lost_planes(
    series: tifffile.TiffPageSeries, levels: tuple[LazyArray, ...], path: Path
) -> tuple[LazyArray, ...]:
    """The levels without the planes at the end that the file does not have; a warning says so.

    Where others are missing, the planes keep their numbers, and reading one that is missing raises
    ImageError.
    """
    held = planes_held(series, path)
    if held.all():
        return levels
    axes = series.axes.lower()[: held.ndim]
    missing = int((~held).sum())
    count = _complete(held)
    lost = f"{missing} of {held.size} planes of {path.name} are not in the file"
    if count:
        warnings.warn(
            f"{lost}, so only {axes[0]} 0 to {count - 1} can be used: copy the file again from "
            "where it came, with the files that belong to it.",
            ImageWarning,
            stacklevel=2,
        )
        return tuple(_First(level, count) for level in levels)
    warnings.warn(
        f"{lost}, and nothing can be segmented there: copy the file again from where it came, with "
        "the files that belong to it.",
        ImageWarning,
        stacklevel=2,
    )
    return tuple(_Held(level, held, axes=axes, name=path.name) for level in levels)


def planes_held(series: tifffile.TiffPageSeries, path: Path) -> NDArray[np.bool_]:
    """For each plane whether the file has it: bool, of the shape of the axes before the planes'."""
    axes = series.axes.upper()
    outer = min(axes.index(a) for a in "YXS" if a in axes)
    shape, rest = series.shape[:outer], series.shape[outer:]
    count = math.prod(shape)
    if count == 1 or count > MOST_PLANES:
        return np.ones(shape, np.bool_)
    if series.dataoffset is not None:
        size = math.prod(rest) * np.dtype(series.dtype).itemsize
        complete = max(0, path.stat().st_size - series.dataoffset) // max(1, size)
        return (np.arange(count) < complete).reshape(shape)
    pages = [page is not None for page in series]
    # A page may hold several of those planes.
    if not pages or count % len(pages):
        return np.ones(shape, np.bool_)
    return np.repeat(np.array(pages), count // len(pages)).reshape(shape)


def _complete(held: NDArray[np.bool_]) -> int:
    """How much of the first axis holds every plane that there is; 0 when no cut does."""
    whole = held.reshape(len(held), -1)
    count = int(np.argmin(whole.all(1)))
    return 0 if whole[count:].any() else count


class _First(VirtualArray):
    """The beginning of an array's first axis."""

    def __init__(self, array: LazyArray, count: int) -> None:
        super().__init__((count, *array.shape[1:]), np.dtype(array.dtype))
        self._array = array

    def _read_places(self, wanted: Places) -> NDArray[np.generic]:
        return np.asarray(self._array[slices_of(wanted)])


class _Held(VirtualArray):
    """An array that refuses the planes that its file does not have."""

    def __init__(self, array: LazyArray, held: NDArray[np.bool_], *, axes: str, name: str) -> None:
        super().__init__(array.shape, np.dtype(array.dtype))
        self._array, self._held, self._axes, self._name = array, held, axes, name

    def _read_places(self, wanted: Places) -> NDArray[np.generic]:
        outer = wanted[: self._held.ndim]
        if not self._held[np.ix_(*outer)].all():
            lost = next(at for at in product(*outer) if not self._held[at])
            where = ", ".join(f"{a} = {i}" for a, i in zip(self._axes, lost, strict=True))
            raise ImageError(
                f"The plane {where} of {self._name} is not in the file: choose another plane, or "
                "copy the file again from where it came."
            )
        return np.asarray(self._array[slices_of(wanted)])


def imagej_stack(
    file: tifffile.TiffFile, found: tifffile.TiffPageSeries
) -> tifffile.TiffPageSeries | None:
    """The stack that an ImageJ file's metadata describe, where the file is too short for it.

    None when the file is no ImageJ stack, or was understood as one.
    """
    about, page = file.imagej_metadata, file.pages.first
    if found.kind == "imagej" or not about or not page.is_final or len(found) != 1:
        return None
    axes = IMAGEJ_ORDERS.get(str(about.get("order", "czt")).lower(), "TZC")
    shape = tuple(int(about.get(COUNTS[axis], 1)) for axis in axes)
    if min(shape) < 1 or not 1 < math.prod(shape) <= MOST_PLANES or page.shaped[0] > 1:
        return None
    return tifffile.TiffPageSeries(
        [page], (*shape, *page.shape), page.dtype, axes + page.axes, kind="imagej", truncated=True
    )


def warn_of_lost_pages(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Warn when the pages of a file go on behind its end."""
    # The others say how many planes they have.
    if series.kind not in ("generic", "uniform") or file.is_ndpi or not _goes_on(file):
        return
    count = len(file.pages)
    warnings.warn(
        f"{file.filename} is cut off behind its page {count}, and the pages that followed are "
        "lost: copy the file again from where it came.",
        ImageWarning,
        stacklevel=2,
    )


def _goes_on(file: tifffile.TiffFile) -> bool:
    """Whether the last page that can be read names another one, beyond the file's end."""
    handle, tiff = file.filehandle, file.tiff
    handle.seek(file.pages[len(file.pages) - 1].offset)
    try:
        (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
        handle.seek(tags * tiff.tagsize, 1)
        (following,) = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))
    except struct.error:
        return True
    return bool(following >= handle.size)
