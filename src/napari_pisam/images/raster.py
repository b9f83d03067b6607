"""PNG, JPEG and what else Pillow reads, and NPY."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.file_image import READ_FAILURES, FileArray, FileImage, cannot_open
from napari_pisam.images.lazy import LazyArray
from napari_pisam.images.photometric import Alpha, Ink, Stored, seen
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.source import ImageError

# Pillow's modes whose arrays are the displayed values; the others become RGB.
PLAIN_MODES = frozenset(
    ("1", "L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")
)
EXIF_ORIENTATION = 274
PNG_START = b"\x89PNG\r\n\x1a\n"


def open_raster(path: str | Path) -> FileImage:
    """The image of a file of one plane; an NPY is not loaded.

    Raises ImageError when it is missing, damaged or of a format that Pillow does not read.
    """
    path = Path(path)
    stored = Stored()
    try:
        if path.suffix.lower() == ".npy":
            array: LazyArray = _npy(path)
            stored = _of_array(array)
        else:
            array, stored = _pillow(path)
    except READ_FAILURES as error:
        raise cannot_open(path.name, "an image", error) from error
    return seen(_one_plane(array, path.stem, stored), stored)


def _one_plane(array: LazyArray, name: str, stored: Stored) -> FileImage:
    ndim = len(array.shape)
    if ndim not in (2, 3):
        raise ImageError(f"{name} has {ndim} axes: give one plane, channels last.")
    samples = array.shape[2] if ndim == 3 else 1
    rgb = samples in (3, 4) and array.dtype in (np.uint8, np.uint16)
    gray = samples == 2 and stored.alpha is Alpha.STRAIGHT
    axes = "yx" if ndim == 2 else "yxs" if rgb or gray else "yxc"
    return FileImage(
        name=name,
        levels=(array,),
        axes=axes,
        scale=(1.0,) * ndim,
        translate=(0.0,) * ndim,
        units=("pixel",) * ndim,
    )


def _of_array(array: LazyArray) -> Stored:
    samples = array.shape[2] if len(array.shape) == 3 else 1
    bits = 8 * np.dtype(array.dtype).itemsize
    alpha = Alpha.STRAIGHT if samples == 4 else Alpha.NONE
    return Stored(Ink.RGB if samples > 2 else Ink.GRAY, bits=bits, alpha=alpha)


def _npy(path: Path) -> LazyArray:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(mapped, np.memmap) or not mapped.flags.c_contiguous:
        return mapped
    raw = RawArray(path, mapped.dtype, mapped.offset, shape=mapped.shape)
    return FileArray(raw, path.name, raw.close)


def stored_otherwise(path: str | Path) -> bool:
    """Whether a picture has to be turned, or its inks or alpha mixed, before it is seen.

    False for what Pillow does not open. Nothing but the file's beginning is read.
    """
    from PIL import Image

    try:
        with _no_bomb_warning(), Image.open(path) as image:
            return image.mode in ("LA", "La", "CMYK", "YCbCr", "LAB") or _orientation(image) != 1
    except READ_FAILURES:
        return False
    except Image.DecompressionBombError:
        return False


def _pillow(path: Path) -> tuple[NDArray[Any], Stored]:
    """The picture's values as it stores them, and how."""
    from PIL import Image

    with _no_bomb_warning():
        try:
            with Image.open(path) as image:
                pixels, stored = _pixels(image)
        except Image.DecompressionBombError:
            raise ValueError("it is too large for its format: save it as a tiled TIFF") from None
    if _is_deep_png(path):
        # Pillow would halve the depth of colours of 16 bits.
        import imagecodecs

        pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
        alpha = Alpha.STRAIGHT if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else Alpha.NONE
        stored = replace(stored, bits=16, ink=_ink(pixels), alpha=alpha, table=None)
    return pixels, stored


@contextmanager
def _no_bomb_warning() -> Iterator[None]:
    """Without Pillow's warning of large pictures, which are no danger to this program."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _is_deep_png(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(26)
    return start.startswith(PNG_START) and len(start) == 26 and start[24] == 16 and start[25] != 0


def _pixels(image: Any) -> tuple[NDArray[Any], Stored]:
    orientation = _orientation(image)
    if image.mode == "P" and "transparency" not in image.info:
        flat = np.array(image.getpalette("RGB"), np.uint8)
        pixels = np.asarray(image)
        table = np.zeros((256, 3), np.uint8)
        table.reshape(-1)[: flat.size] = flat
        if (table == table[:, :1]).all():
            return table[:, 0][pixels], Stored(orientation=orientation)
        return pixels, Stored(Ink.PALETTE, table=table, orientation=orientation)
    if image.mode in ("P", "PA", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode == "La":
        image = image.convert("LA")
    elif image.mode not in PLAIN_MODES:
        image = image.convert("RGB")
    pixels = np.asarray(image)
    alpha = Alpha.STRAIGHT if image.mode in ("LA", "RGBA") else Alpha.NONE
    bits = 8 * pixels.dtype.itemsize
    return pixels, Stored(_ink(pixels), bits=bits, alpha=alpha, orientation=orientation)


def _ink(pixels: NDArray[Any]) -> Ink:
    return Ink.RGB if pixels.ndim == 3 and pixels.shape[2] > 2 else Ink.GRAY


def _orientation(image: Any) -> int:
    return int(image.getexif().get(EXIF_ORIENTATION, 1) or 1)
