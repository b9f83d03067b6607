"""TIFF files of any size, OME-TIFF and slide scanners' included, opened without loading them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

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
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.source import ImageError
from napari_pisam.images.tiff_metadata import (
    Calibration,
    channels_of_imagej,
    channels_of_ome,
    resolution_calibration,
)

# Without a handler of the application's, Python would print its lines about damaged tags.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COLOURS = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
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
    axes = series.axes.lower()
    page = series.keyframe
    samples = int(series.shape[axes.index("s")]) if "s" in axes else 1
    rgb = samples in (3, 4) and page.photometric in COLOURS
    if "s" in axes and not rgb:
        # Samples that are not colours are channels, unless the file has those as well.
        axes = axes.replace("s", "c" if "c" not in axes else "q")
    levels = [i for i, level in enumerate(series.levels) if level.axes == series.axes]
    _warn_of_missing_planes(path, series)
    calibration, channels = _metadata(file, series, number)
    if not channels and page.colormap is not None:
        channels = (_palette(page.colormap),)
    image = FileImage(
        name=_name(path, series, alone=len(file.series) == 1),
        levels=tuple(_open_level(file, path, series, number=i) for i in levels),
        axes=axes,
        scale=tuple(calibration.scale(axis) for axis in axes),
        translate=(0.0,) * len(axes),
        units=tuple(calibration.unit(axis) for axis in axes),
        channels=_one_each(channels, axes, series.shape),
        labels=_is_labels(page),
    )
    return without_single_axes(image)


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


def _warn_of_missing_planes(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Warn of planes of an OME image whose files are missing."""
    if series.dataoffset is not None:
        # All of them are one stretch of this file.
        return
    missing = sum(page is None for page in series)
    if missing:
        warnings.warn(
            f"{missing} of {len(series)} planes of {path.name} lie in files that are not beside "
            "it, and are black: put the files there and open it again.",
            stacklevel=2,
        )


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


def _palette(colormap: NDArray[np.uint16]) -> FileChannel:
    table = np.asarray(colormap, np.float64).T / 65535
    return FileChannel(lut=table, limits=(0.0, float(len(table) - 1)))


def _one_each(
    channels: Sequence[FileChannel], axes: str, shape: Sequence[int]
) -> tuple[FileChannel, ...]:
    """Exactly as many channels as the image has."""
    count = int(shape[axes.index("c")]) if "c" in axes else 1
    blank = [FileChannel()] * max(0, count - len(channels))
    return (*channels[:count], *blank)
