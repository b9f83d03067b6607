"""How a page of a TIFF stores its pixels, from its tags."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_pisam.images.file_image import FileImage
from napari_pisam.images.photometric import FULL_RANGE, LUMA, Alpha, Ink, Stored
from napari_pisam.images.source import ImageError, ImageWarning

ORIENTATION, INK_SET, YCBCR_COEFFICIENTS, REFERENCE_BLACK_WHITE, GDAL_NODATA = (
    274, 332, 529, 532, 42113,
)  # fmt: skip
JPEG = frozenset((6, 7, 34892, 33007))
# Codecs of whole pictures, whose decoders give red, green, blue.
PICTURE_CODECS = JPEG | {33003, 33005, 34712, 34887, 34933, 34934, 22610, 50001, 50002, 52546}
# What is shown as it is stored, because its colours are not worked out.
UNKNOWN_COLOURS = {
    tifffile.PHOTOMETRIC.CIELAB: "CIE L*a*b*",
    tifffile.PHOTOMETRIC.ICCLAB: "ICC L*a*b*",
    tifffile.PHOTOMETRIC.ITULAB: "ITU L*a*b*",
    tifffile.PHOTOMETRIC.LOGLUV: "LogLuv",
}


def stored_of(page: Any, name: str) -> Stored:
    """How a page stores its pixels; a warning says what is not understood.

    Raises ImageError for colours at a lower resolution that cannot be read.
    """
    photometric = page.photometric
    ink = {
        tifffile.PHOTOMETRIC.MINISWHITE: Ink.INVERTED,
        tifffile.PHOTOMETRIC.RGB: Ink.RGB,
        tifffile.PHOTOMETRIC.YCBCR: Ink.YCBCR,
    }.get(photometric, Ink.GRAY)
    if ink is Ink.INVERTED and page.bitspersample == 1 and _is_of_tifffile(page):
        # It writes True as 1 under that name, and means bright.
        ink = Ink.GRAY
    table = None
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        ink, table = Ink.PALETTE, table_of(page.colormap)
    elif photometric == tifffile.PHOTOMETRIC.SEPARATED and _is_cmyk(page):
        ink = Ink.CMYK
    elif photometric in UNKNOWN_COLOURS:
        warnings.warn(
            f"{name} has colours as {UNKNOWN_COLOURS[photometric]}, which are shown and segmented "
            "as three channels: save it as RGB to see its colours.",
            ImageWarning,
            stacklevel=3,
        )
    if ink is Ink.YCBCR:
        _check_subsampling(page, name)
        if page.compression in PICTURE_CODECS:
            ink = Ink.RGB
    bits = page.bitspersample
    bits = int(bits if isinstance(bits, int) else max(bits))
    luma, limits = _coefficients(page, bits)
    return Stored(
        ink=ink,
        bits=bits,
        alpha=_alpha(page),
        table=table,
        luma=luma,
        limits=limits,
        orientation=int(page.tags.valueof(ORIENTATION, 1) or 1),
    )


def _is_of_tifffile(page: Any) -> bool:
    return bool(page.is_shaped) or str(page.software).startswith("tifffile")


def _is_cmyk(page: Any) -> bool:
    return bool(page.tags.valueof(INK_SET, 1) == 1 and page.samplesperpixel >= 4)


def _check_subsampling(page: Any, name: str) -> None:
    readable = page.compression in JPEG and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if page.is_subsampled and not readable:
        raise ImageError(
            f"{name} stores its colours at a lower resolution (YCbCr without JPEG), which cannot "
            "be read: save it as RGB."
        )


def _alpha(page: Any) -> Alpha:
    kind = next(iter(page.extrasamples or ()), None)
    if kind == tifffile.EXTRASAMPLE.UNASSALPHA:
        return Alpha.STRAIGHT
    return Alpha.PREMULTIPLIED if kind == tifffile.EXTRASAMPLE.ASSOCALPHA else Alpha.NONE


def _coefficients(page: Any, bits: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The coefficients and reference values of YCbCr; the defaults where the tags make no sense."""
    luma = _numbers(page.tags.valueof(YCBCR_COEFFICIENTS), 3)
    if luma is None or min(luma) <= 0:
        luma = LUMA
    limits = _numbers(page.tags.valueof(REFERENCE_BLACK_WHITE), 6)
    if limits is None or any(a >= b for a, b in zip(limits[::2], limits[1::2], strict=True)):
        top, middle = 2.0**bits - 1, 2.0 ** (bits - 1)
        limits = FULL_RANGE if bits == 8 else (0.0, top, middle, top, middle, top)
    return luma, limits


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Numbers or fractions of a tag as so many floats."""
    flat = [float(v) for v in np.ravel(value)] if value is not None else []
    if len(flat) == 2 * count:
        pairs = zip(flat[::2], flat[1::2], strict=True)
        flat = [a / b if b else math.nan for a, b in pairs]
    return tuple(flat) if len(flat) == count and all(map(math.isfinite, flat)) else None


def table_of(colormap: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """A TIFF's colour table (3, n) as (n, 3) of 8 bits, what is shown of it."""
    # Some programs write 8 bits where 16 are due.
    shift = 8 if int(colormap.max()) > 255 else 0
    return np.ascontiguousarray((colormap >> shift).astype(np.uint8).T)


def with_table(stored: Stored, image: FileImage) -> Stored:
    """What is stored, as a palette where an ImageJ colour table is no scale from dark to bright."""
    lut = image.channels[0].lut
    plain = stored.ink is Ink.GRAY and "c" not in image.axes and "s" not in image.axes
    if lut is None or not plain or image.levels[0].dtype != np.uint8:
        return stored
    luma = lut @ np.array(LUMA)
    if (np.diff(luma) >= 0).all() or (np.diff(luma) <= 0).all():
        return stored
    return replace(stored, ink=Ink.PALETTE, table=np.rint(lut * 255).astype(np.uint8))


def nodata_of_page(page: Any) -> float | None:
    """The value of pixels that were not measured: GDAL's tag, or 0 where tiles were left out."""
    text = page.tags.valueof(GDAL_NODATA)
    if text is not None:
        try:
            value = float(str(text).strip().strip("\0"))
        except ValueError:
            return None
        return value if math.isfinite(value) else None
    return 0.0 if 0 in page.databytecounts else None
