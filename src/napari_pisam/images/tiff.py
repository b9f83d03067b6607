"""TIFF files of any size, OME-TIFF and slide scanners' included, opened without loading them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_pisam.images.file_image import (
    LABELS_MARK,
    READ_FAILURES,
    FileArray,
    FileChannel,
    FileImage,
    cannot_open,
    without_single_axes,
)
from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.photometric import Alpha, Ink, Stored, seen
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.source import ImageError
from napari_pisam.images.tiff_metadata import (
    Calibration,
    channels_of_imagej,
    channels_of_ome,
    resolution_calibration,
)
from napari_pisam.images.tiff_photometric import nodata_of_page, stored_of, with_table
from napari_pisam.images.tiff_planes import (
    imagej_stack,
    warn_of_lost_pages,
    without_lost_planes,
)

# Without a handler of the application's, Python would print its lines about damaged tags.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ENDINGS = (".tif", ".tiff", ".btf", ".svs", ".ndpi", ".scn", ".bif", ".qptiff")
# The photographs that a slide scanner puts beside the slide itself.
PHOTOGRAPHS = frozenset(("thumbnail", "label", "macro", "map"))


def is_tiff(path: str | Path) -> bool:
    """Whether a file begins as TIFF files do; False when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in MAGIC
    except OSError:
        return False


def open_tiff(path: str | Path) -> tuple[FileImage, ...]:
    """The images of a TIFF file, each with all its pyramid levels; nothing is loaded.

    A slide scanner's photographs of the glass are left out. Raises ImageError when the file
    is missing, cut off, corrupt or no TIFF.
    """
    path = Path(path)
    try:
        with tifffile.TiffFile(path) as file:
            found = list(file.series)
            if not found:
                raise ValueError("it holds no image")
            kept = [i for i, s in enumerate(found) if s.name.lower() not in PHOTOGRAPHS] or [0]
            return tuple(_image(file, path, found[i], number=i) for i in kept)
    except ImageError:
        raise
    except READ_FAILURES as error:
        raise cannot_open(path.name, "TIFF", error) from error


def _image(
    file: tifffile.TiffFile, path: Path, series: tifffile.TiffPageSeries, *, number: int
) -> FileImage:
    page = series.keyframe
    series = imagej_stack(file, series) or series
    stored = stored_of(page, path.name)
    axes = series.axes.lower()
    if "s" in axes and not _is_one_image(stored, int(series.shape[axes.index("s")])):
        # Samples that are not colours are channels, unless the file has those as well.
        axes = axes.replace("s", "c" if "c" not in axes else "q")
    numbers = [i for i, level in enumerate(series.levels) if level.axes == series.axes]
    levels = tuple(_open_level(file, path, series, number=i) for i in numbers)
    levels = without_lost_planes(series, levels, path)
    warn_of_lost_pages(file, series)
    calibration, channels = _metadata(file, series, number)
    image = FileImage(
        name=_name(path, series, alone=len(file.series) == 1),
        levels=levels,
        axes=axes,
        scale=tuple(calibration.scale(axis) for axis in axes),
        translate=(0.0,) * len(axes),
        units=tuple(calibration.unit(axis) for axis in axes),
        channels=_one_each(channels, axes, series.shape),
        labels=_is_labels(page),
        nodata=nodata_of_page(page),
    )
    return seen(without_single_axes(image), with_table(stored, image))


def _is_one_image(stored: Stored, samples: int) -> bool:
    """Whether the samples are colours, or gray and its alpha."""
    if stored.ink in (Ink.GRAY, Ink.INVERTED):
        return samples == 2 and stored.alpha is not Alpha.NONE
    return samples in ((4, 5) if stored.ink is Ink.CMYK else (3, 4))


def _open_level(
    file: tifffile.TiffFile, path: Path, series: tifffile.TiffPageSeries, *, number: int
) -> LazyArray:
    """The bytes themselves when the pixels lie in the file as they are, else a lazy decoder."""
    level = series.levels[number]
    if level.dataoffset is not None:
        dtype = np.dtype(file.byteorder + level.dtype.char)
        raw = RawArray(path, dtype, level.dataoffset, shape=level.shape)
        return FileArray(raw, path.name, raw.close)
    import zarr

    store = series.aszarr(level=number)
    array: Any = zarr.open(store, mode="r")
    return FileArray(array, path.name, store.close)


def _name(path: Path, series: tifffile.TiffPageSeries, *, alone: bool) -> str:
    usual = path.suffix.lower() in ENDINGS
    stem = path.stem.removesuffix(".ome") if usual else path.name
    return f"{stem} {series.name}" if series.kind == "ome" and not alone else stem


def _is_labels(page: Any) -> bool:
    return LABELS_MARK in str(page.description) and np.dtype(page.dtype).kind in "iu"


def _metadata(
    file: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int
) -> tuple[Calibration, tuple[FileChannel, ...]]:
    ome = file.ome_metadata if series.kind == "ome" else None
    if ome:
        return channels_of_ome(ome, number)
    imagej = file.imagej_metadata if series.kind == "imagej" else None
    if imagej:
        return channels_of_imagej(imagej, series.keyframe)
    return resolution_calibration(series), ()


def _one_each(
    channels: Sequence[FileChannel], axes: str, shape: Sequence[int]
) -> tuple[FileChannel, ...]:
    """Exactly as many channels as the image has."""
    count = int(shape[axes.index("c")]) if "c" in axes else 1
    blank = [FileChannel()] * max(0, count - len(channels))
    return (*channels[:count], *blank)
