"""Pixel sizes and channels in TIFF metadata: OME-XML, ImageJ, slide scanners, resolution."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_pisam.images.file_image import FileChannel

UNITS = {
    "µm": "micrometer",
    "μm": "micrometer",
    "um": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "\\u00b5m": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "Å": "angstrom",
    "s": "second",
    "sec": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
UNITS |= {name: name for name in set(UNITS.values())}
NO_UNIT = "pixel"


@dataclass(frozen=True)
class Calibration:
    """The size of a pixel along the axes whose size the file gives."""

    scales: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def scale(self, axis: str) -> float:
        """The size of one step along an axis, in its unit; 1 when the file gives none."""
        return self.scales.get(axis, 1.0)

    def unit(self, axis: str) -> str:
        """The unit of an axis; "pixel" when the file gives none."""
        return self.units.get(axis, NO_UNIT)


def calibration(sizes: Mapping[str, tuple[float | str | None, str | None]]) -> Calibration:
    """The calibration of (size, unit) per axis; what is missing or no size is left out."""
    scales, units = {}, {}
    for axis, (size, unit) in sizes.items():
        try:
            number = float(size) if size is not None else math.nan
        except (TypeError, ValueError):
            continue
        known = UNITS.get(str(unit).strip()) if unit is not None else None
        if math.isfinite(number) and number > 0 and known is not None:
            scales[axis], units[axis] = number, known
    return Calibration(scales, units)


def channels_of_ome(xml: str, number: int) -> tuple[Calibration, tuple[FileChannel, ...]]:
    """Pixel size and channels of one image of OME-XML; nothing when the XML is broken."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Calibration(), ()
    pixels = root.findall("./{*}Image/{*}Pixels")
    if number >= len(pixels):
        return Calibration(), ()
    found = pixels[number]
    sizes = {
        axis.lower(): (found.get(f"PhysicalSize{axis}"), found.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "XYZ"
    }
    sizes["t"] = (found.get("TimeIncrement"), found.get("TimeIncrementUnit", "s"))
    channels = tuple(
        FileChannel(name=channel.get("Name"), color=_ome_color(channel.get("Color")))
        for channel in found.findall("./{*}Channel")
    )
    return calibration(sizes), channels


def _ome_color(text: str | None) -> tuple[float, float, float] | None:
    """OME keeps red, green, blue, alpha in a signed integer of 32 bits."""
    if text is None or not re.fullmatch(r"-?\d+", text):
        return None
    value = int(text) & 0xFFFFFFFF
    red, green, blue = ((value >> shift & 255) / 255 for shift in (24, 16, 8))
    return (red, green, blue) if red or green or blue else None


def channels_of_imagej(
    metadata: Mapping[str, Any], page: Any
) -> tuple[Calibration, tuple[FileChannel, ...]]:
    """Pixel size, lookup tables and display ranges of an ImageJ hyperstack."""
    unit = metadata.get("unit")
    x, y = (1 / r if r else None for r in page.resolution)
    sizes = {
        "x": (x, unit),
        "y": (y, metadata.get("yunit", unit)),
        "z": (metadata.get("spacing"), metadata.get("zunit", unit)),
        "t": (metadata.get("finterval"), metadata.get("tunit", "s")),
    }
    ranges = metadata.get("Ranges") or ()
    limits = list(zip(ranges[::2], ranges[1::2], strict=False))
    if not limits and "min" in metadata and "max" in metadata:
        limits = [(metadata["min"], metadata["max"])]
    luts = metadata.get("LUTs") or []
    channels = tuple(
        FileChannel(lut=_lut(luts, i), limits=_limits(limits, i))
        for i in range(max(len(limits), len(luts)))
    )
    return calibration(sizes), channels


def _limits(limits: list[tuple[Any, Any]], i: int) -> tuple[float, float] | None:
    if i >= len(limits):
        return None
    low, high = float(limits[i][0]), float(limits[i][1])
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _lut(luts: list[Any], i: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    if i >= len(luts) or np.shape(luts[i]) != (3, 256):
        return None
    return np.asarray(luts[i], np.float64).T / 255


def resolution_calibration(series: tifffile.TiffPageSeries) -> Calibration:
    """Pixel size from a slide scanner's description, else from the resolution in centimetres.

    A resolution per inch is left out: programs write 72 or 96 there whatever the image is.
    """
    page: Any = series.keyframe
    described = re.search(r"\bMPP\s*=\s*([0-9.]+)", str(page.description))
    if described:
        return calibration(dict.fromkeys("xy", (described[1], "um")))
    tag = page.tags.get("ResolutionUnit")
    if tag is None or int(tag.value) != tifffile.RESUNIT.CENTIMETER:
        return Calibration()
    x, y = (1e4 / r if r else None for r in page.resolution)
    return calibration({"x": (x, "um"), "y": (y, "um")})
