"""Which reader opens which file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.source import ImageError, PyramidSource
from napari_pisam.images.stored import READ_FAILURES, StoredArray, StoredImage, cannot_open

# Pillow's modes whose arrays are what a person sees; the others become RGB.
PLAIN_MODES = frozenset(("1", "L", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N"))
PNG_START = b"\x89PNG\r\n\x1a\n"


def open_images(path: str | Path) -> tuple[StoredImage, ...]:
    """The images of a file: TIFF of any kind, OME-Zarr, PNG, JPEG and what else Pillow reads, NPY.

    TIFF, Zarr and NPY are opened without being loaded. Raises ImageError, one sentence.
    """
    path = Path(path)
    if path.is_dir():
        from napari_pisam.images.zarr import is_zarr, open_zarr

        if not is_zarr(path):
            raise ImageError(f"{path.name} is a folder and no OME-Zarr: choose an image in it.")
        return _with_pixels(open_zarr(path))
    from napari_pisam.images.tiff import is_tiff, open_tiff

    if is_tiff(path):
        return _with_pixels(open_tiff(path))
    try:
        array: LazyArray = _npy(path) if path.suffix.lower() == ".npy" else _picture(path)
    except READ_FAILURES as error:
        raise cannot_open(path.name, "an image", error) from error
    return _with_pixels((_one_plane(array, path.stem),))


def _with_pixels(images: tuple[StoredImage, ...]) -> tuple[StoredImage, ...]:
    """The same images; raises ImageError when one of them has none."""
    for image in images:
        shape = image.levels[0].shape
        if 0 in shape:
            raise ImageError(f"{image.name} has no pixels: its shape is {shape}.")
    return images


def open_source(path: str | Path, *, plane: Mapping[str, int] | None = None) -> PyramidSource:
    """The first image of a file, as an ImageSource.

    plane: for a stack, the plane of each of its axes, such as {"z": 3}. Raises ImageError, one
    sentence, when the file does not open or is a stack and no plane is chosen.
    """
    return open_images(path)[0].plane(plane)


def _one_plane(array: LazyArray, name: str) -> StoredImage:
    ndim = len(array.shape)
    if ndim not in (2, 3):
        raise ImageError(f"{name} has {ndim} axes: give one plane, channels last.")
    rgb = ndim == 3 and array.shape[2] in (3, 4) and array.dtype in (np.uint8, np.uint16)
    axes = "yx" if ndim == 2 else "yxs" if rgb else "yxc"
    return StoredImage(
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
    raw = RawArray(path, mapped.dtype, mapped.offset, mapped.shape)
    return StoredArray(raw, path.name, raw.close)


def _picture(path: Path) -> NDArray[Any]:
    from PIL import Image

    if _is_deep_png(path):
        # Pillow would halve the depth of colours of 16 bits.
        import imagecodecs

        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as picture:
                return _pixels(picture)
        except Image.DecompressionBombError:
            raise ValueError("it is too large for its format: save it as a tiled TIFF") from None


def _is_deep_png(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(26)
    return start.startswith(PNG_START) and len(start) == 26 and start[24] == 16 and start[25] != 0


def _pixels(picture: Any) -> NDArray[Any]:
    """Pillow's image as numbers a person would expect; alpha beside gray is dropped."""
    if picture.mode in ("LA", "La"):
        return np.asarray(picture.convert("L"))
    if picture.mode not in PLAIN_MODES:
        return np.asarray(picture.convert("RGB"))
    return np.asarray(picture)
