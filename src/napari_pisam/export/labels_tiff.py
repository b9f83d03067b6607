"""Label images as tiled, losslessly compressed TIFF files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.export.atomic import replacing
from napari_pisam.images import label_arrays
from napari_pisam.images.file_image import LABELS_MARK
from napari_pisam.images.label_arrays import SparseLabels
from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.overviews import Overview, with_overviews

TILE = label_arrays.SIDE
# What a TIFF with offsets of 32 bits can hold, some room for the rest of it left.
CLASSIC_BYTES = 2**32 - 2**25


def _compact(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as uint16, or uint32 when there are more than 65535."""
    if labels.dtype.kind not in "biu":
        raise ValueError(f"Labels are whole numbers, not {labels.dtype}.")
    if labels.ndim < 2 or not labels.size:
        raise ValueError(f"A label image needs rows and columns, not the shape {labels.shape}.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > np.iinfo(np.uint32).max:
        raise ValueError(f"Labels go from 0 to 4294967295, not from {low} to {high}.")
    small = high <= np.iinfo(np.uint16).max
    return labels.astype(np.uint16 if small else np.uint32, copy=False)


def write_labels(path: str | Path, labels: NDArray[Any] | SparseLabels) -> None:
    """Write a label image as a tiled, losslessly compressed TIFF; all of it or nothing.

    labels: (..., H, W), booleans or integers from 0 on; uint16 in the file when that suffices,
    else uint32. SparseLabels, of any size, are written piece by piece, with coarser levels
    when they are large. Raises ValueError for what are no labels, SaveError when writing fails.
    """
    import tifffile

    if isinstance(labels, SparseLabels):
        _write_sparse(path, labels)
        return
    compact = _compact(labels)
    with replacing(path) as file:
        tifffile.imwrite(
            file,
            compact,
            tile=(TILE, TILE),
            compression="zlib",
            photometric="minisblack",
            metadata={"content": LABELS_MARK},
        )


def _write_sparse(path: str | Path, labels: SparseLabels) -> None:
    import tifffile

    small = max(labels.areas(), default=0) <= np.iinfo(np.uint16).max
    dtype = np.dtype(np.uint16 if small else np.uint32)
    first, *others = with_overviews((labels,), (labels.ndim - 2, labels.ndim - 1), nearest=True)
    options: dict[str, Any] = {
        "dtype": dtype,
        "tile": (TILE, TILE),
        "compression": "zlib",
        "photometric": "minisblack",
    }
    with (
        replacing(path) as file,
        tifffile.TiffWriter(file, bigtiff=labels.size * dtype.itemsize > CLASSIC_BYTES) as tiff,
    ):
        tiff.write(
            _encoded(labels, first, dtype),
            shape=first.shape,
            subifds=len(others),
            metadata={"content": LABELS_MARK},
            **options,
        )
        for level in others:
            tiff.write(_encoded(labels, level, dtype), shape=level.shape, subfiletype=1, **options)


def _encoded(labels: SparseLabels, level: LazyArray, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """The compressed tiles of a level of the labels, row by row; most of them hold nothing."""
    *planes, height, width = level.shape
    down, across = level.factors if isinstance(level, Overview) else (1, 1)
    written = {(*plane, y // down, x // across) for *plane, y, x in labels.tiles}
    nothing = zlib.compress(bytes(TILE * TILE * dtype.itemsize))
    for plane, y, x in product(np.ndindex(*planes), range(0, height, TILE), range(0, width, TILE)):
        if (*plane, y // TILE, x // TILE) not in written:
            yield nothing
            continue
        part = np.asarray(level[(*plane, slice(y, y + TILE), slice(x, x + TILE))], dtype)
        tile = np.zeros((TILE, TILE), dtype)
        tile[: part.shape[0], : part.shape[1]] = part
        yield zlib.compress(tile.tobytes())
