"""PNG, JPEG and what else Pillow reads, and NPY."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.file_image import READ_FAILURES, FileArray, FileImage, cannot_open
from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.source import ImageError

# Pillow's modes whose arrays are the displayed values; the others become RGB.
PLAIN_MODES = frozenset(("1", "L", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N"))
PNG_START = b"\x89PNG\r\n\x1a\n"


def open_raster(path: str | Path) -> FileImage:
    """The image of a file of one plane; an NPY is not loaded.

    Raises ImageError when it is missing, damaged or of a format that Pillow does not read.
    """
    path = Path(path)
    try:
        array: LazyArray = _npy(path) if path.suffix.lower() == ".npy" else _pillow(path)
    except READ_FAILURES as error:
        raise cannot_open(path.name, "an image", error) from error
    return _one_plane(array, path.stem)


def _one_plane(array: LazyArray, name: str) -> FileImage:
    ndim = len(array.shape)
    if ndim not in (2, 3):
        raise ImageError(f"{name} has {ndim} axes: give one plane, channels last.")
    rgb = ndim == 3 and array.shape[2] in (3, 4) and array.dtype in (np.uint8, np.uint16)
    axes = "yx" if ndim == 2 else "yxs" if rgb else "yxc"
    return FileImage(
        name=name,
        levels=(array,),
        axes=axes,
        scale=(1.0,) * ndim,
        translate=(0.0,) * ndim,
        units=("pixel",) * ndim,
    )


def _npy(path: Path) -> LazyArray:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(mapped, np.memmap) or not mapped.flags.c_contiguous:
        return mapped
    raw = RawArray(path, mapped.dtype, mapped.offset, shape=mapped.shape)
    return FileArray(raw, path.name, raw.close)


def _pillow(path: Path) -> NDArray[Any]:
    from PIL import Image

    if _is_deep_png(path):
        # Pillow would halve the depth of colours of 16 bits.
        import imagecodecs

        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                return _pixels(image)
        except Image.DecompressionBombError:
            raise ValueError("it is too large for its format: save it as a tiled TIFF") from None


def _is_deep_png(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(26)
    return start.startswith(PNG_START) and len(start) == 26 and start[24] == 16 and start[25] != 0


def _pixels(image: Any) -> NDArray[Any]:
    """Pillow's image as the values that are displayed; alpha beside gray is dropped."""
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("L"))
    if image.mode not in PLAIN_MODES:
        return np.asarray(image.convert("RGB"))
    return np.asarray(image)
