"""Label images to files, and pictures that show them over the image."""

from __future__ import annotations

import errno
import os
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images import label_arrays
from napari_pisam.images.files import open_source
from napari_pisam.images.label_arrays import SparseLabels
from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.overviews import with_overviews
from napari_pisam.images.source import ImageError
from napari_pisam.images.stored import LABELS_MARK

# Okabe and Ito's colours, told apart with every kind of colour vision; black is left out.
PALETTE = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (213, 94, 0),
        (204, 121, 167),
        (0, 114, 178),
    ],
    np.uint8,
)
TILE = label_arrays.SIDE
# What a TIFF with offsets of 32 bits can hold, some room for the rest of it left.
CLASSIC_BYTES = 2**32 - 2**25
# One pixel of outline for so many pixels of the picture's longer side.
OUTLINE_SHARE = 700


class SaveError(OSError):
    """A file that could not be written; its message is one sentence for the user."""


def read_image(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """All pixels of the first image of a file: (H, W), or (H, W, C) without alpha, as stored.

    plane: see files.open_source. Raises ImageError, one sentence.
    """
    source = open_source(path, plane=plane)
    try:
        pixels = np.array(source.read(Window(0, 0, source.height, source.width)))
    except MemoryError:
        size = f"{source.height} x {source.width}"
        raise ImageError(f"{Path(path).name} ({size}) does not fit into memory.") from None
    return pixels[..., 0] if source.channels == 1 else pixels


def read_labels(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """A label image: (H, W), integers. Raises ImageError when the file holds something else."""
    labels = read_image(path, plane=plane)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise ImageError(
            f"{Path(path).name} holds no labels: one channel of whole numbers is needed."
        )
    return labels


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, else vanishes.

    Whatever happens, `path` holds either all of the old or all of the new. Raises SaveError, one
    sentence: disk full, no permission, no such folder.
    """
    target = Path(path).resolve()
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except OSError as error:
        raise SaveError(_cannot_save(target, error)) from error
    finally:
        draft.unlink(missing_ok=True)


def _cannot_save(target: Path, error: OSError) -> str:
    kept = " The file that was there is unchanged." if target.exists() else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full: free some space, or save elsewhere."
    elif isinstance(error, FileNotFoundError):
        reason = f"the folder {target.parent} does not exist: create it, or save elsewhere."
    elif isinstance(error, PermissionError):
        reason = "writing there is not permitted: save elsewhere, or close what holds the file."
    elif isinstance(error, IsADirectoryError):
        reason = "it is a folder: give the name of a file."
    else:
        reason = f"{error.strerror or error}: save elsewhere."
    return f"{target.name} was not saved, {reason}{kept}"


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
    down, across = getattr(level, "factors", (1, 1))
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


def write_png(path: str | Path, rgb8: NDArray[np.uint8]) -> None:
    """Write a picture, uint8 (H, W, 3), as PNG; all of it or nothing. Raises SaveError."""
    from PIL import Image

    with replacing(path) as file:
        Image.fromarray(rgb8).save(file, format="PNG")


def label_colors(ids: NDArray[Any]) -> NDArray[np.uint8]:
    """A colour for each label, always the same one: uint8 (..., 3).

    The first seven differ; after each round the order shifts, so that numbers given row by row do
    not line up in columns of one colour.
    """
    rounds, place = np.divmod(np.asarray(ids, np.int64) - 1, len(PALETTE))
    return np.asarray(PALETTE[(place + 3 * rounds) % len(PALETTE)])


def overlay(
    rgb8: NDArray[np.uint8], labels: NDArray[Any], *, opacity: float = 0.3
) -> NDArray[np.uint8]:
    """A picture of the objects over the image: a light fill and an opaque outline in its colour.

    rgb8: uint8 (H, W, 3). labels: integers (H, W), 0 for none. opacity: of the fill, 0 to 1. The
    outline lies inside the object, a dark line outside it, so that it shows on any ground.
    Returns uint8 (H, W, 3). Raises ValueError when the sizes differ.
    """
    if rgb8.shape[:2] != labels.shape:
        raise ValueError(f"An image of {rgb8.shape[:2]} does not fit labels of {labels.shape}.")
    width = max(1, round(max(labels.shape) / OUTLINE_SHARE))
    picture = rgb8.copy()
    for rows in _bands(labels.shape[0]):
        around = slice(max(0, rows.start - width), rows.stop + width)
        inner = slice(rows.start - around.start, rows.stop - around.start)
        edge, rim = (m[inner] for m in _outlines(labels[around], width))
        band, ids = picture[rows], labels[rows]
        inside = ids > 0
        colors = label_colors(ids)
        mixed = band[inside] * (1 - opacity) + colors[inside] * opacity
        band[inside] = np.rint(mixed).astype(np.uint8)
        band[edge] = colors[edge]
        band[rim] = band[rim] // 3
    return picture


def _bands(height: int, step: int = 1024) -> Iterator[slice]:
    """Bands of rows, so that the working memory does not grow with the image."""
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _outlines(labels: NDArray[Any], width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The pixels of objects within `width` of another value, and the ground next to objects."""
    from scipy import ndimage

    wide = labels.astype(np.int64, copy=False)
    size = 2 * width + 1
    low = ndimage.minimum_filter(wide, size, mode="nearest")
    high = ndimage.maximum_filter(wide, size, mode="nearest")
    near = ndimage.maximum_filter(wide, 3, mode="nearest")
    return (wide > 0) & (low != high), (wide == 0) & (near > 0)
