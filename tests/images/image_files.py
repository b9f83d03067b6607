"""Image files of many kinds, written for the tests."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray


def pattern(*shape: int, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    top = 255 if dtype == "uint8" else 4000
    return np.asarray(np.random.default_rng(seed).integers(0, top, shape), dtype)


def write_pyramid(path: Path, full: NDArray[Any], factors: tuple[int, ...], **how: Any) -> None:
    """A tiled OME-TIFF whose levels take every k-th row and column of a (..., Y, X) array."""
    with tifffile.TiffWriter(path, ome=True) as file:
        options: dict[str, Any] = {
            "tile": (128, 128),
            "compression": "zlib",
            "photometric": "minisblack",
        }
        file.write(full, subifds=len(factors), metadata=how, **options)
        for k in factors:
            file.write(full[..., ::k, ::k], subfiletype=1, **options)


def write_slide(path: Path, rgb: NDArray[np.uint8]) -> None:
    """What an Aperio scanner writes: baseline, thumbnail, a level, photographs."""
    options: dict[str, Any] = {"metadata": None, "compression": "zlib", "photometric": "rgb"}
    library = "Aperio Image Library v11\r\n"
    with tifffile.TiffWriter(path) as file:
        about = f"{library}{rgb.shape[1]}x{rgb.shape[0]} (128x128)|AppMag = 20|MPP = 0.4990"
        file.write(rgb, tile=(128, 128), description=about, **options)
        small = np.ascontiguousarray(rgb[::8, ::8])
        file.write(small, rowsperstrip=16, description=library + "thumb", **options)
        level = np.ascontiguousarray(rgb[::4, ::4])
        file.write(level, tile=(128, 128), description=library + "level", **options)
        for kind, name in ((1, "label"), (9, "macro")):
            about = f"{library}{name} 64x64"
            file.write(rgb[:64, :64], subfiletype=kind, description=about, **options)


def write_ngff(path: Path, full: NDArray[Any], *, version: str, **meta: Any) -> zarr.Group:
    """An NGFF image of two levels. meta: axes ("cyx"), scale, units, omero, labels (an array)."""
    axes, scale = meta["axes"], meta["scale"]
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    units = meta.get("units", {})
    kinds = {"t": "time", "c": "channel"}
    listed: list[dict[str, str]] = []
    for axis in axes:
        listed.append({"name": axis, "type": kinds.get(axis, "space")})
        if axis in units:
            listed[-1]["unit"] = units[axis]
    datasets = []
    for i, k in enumerate((1, 2)):
        level = full[..., ::k, ::k]
        array = group.create_array(
            str(i), shape=level.shape, dtype=level.dtype, chunks=(*(1,) * (level.ndim - 2), 64, 64)
        )
        array[...] = level
        own = [s * (k if a in "yx" else 1) for a, s in zip(axes, scale, strict=True)]
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": own}]
        if "translate" in meta:
            steps.append({"type": "translation", "translation": list(meta["translate"])})
        datasets.append({"path": str(i), "coordinateTransformations": steps})
    described = {"axes": listed, "datasets": datasets, "name": path.name, "version": version}
    content: dict[str, Any] = {"multiscales": [described]}
    if "omero" in meta:
        content["omero"] = meta["omero"]
    _annotate(group, content, version)
    if "labels" in meta:
        inside = group.create_group("labels")
        _annotate(inside, {"labels": ["cells"]}, version)
        kept = [i for i, axis in enumerate(axes) if axis != "c"]
        write_ngff(
            path / "labels" / "cells",
            meta["labels"],
            version=version,
            axes="".join(axes[i] for i in kept),
            scale=[scale[i] for i in kept],
        )
    return group


def _annotate(group: zarr.Group, content: dict[str, Any], version: str) -> None:
    group.attrs.update({"ome": {"version": version, **content}} if version == "0.5" else content)


def write_ndpi(path: Path, rgb: NDArray[np.uint8]) -> None:
    """What a Hamamatsu scanner writes: two levels and a photograph, offsets of 64 bits."""
    file = io.BytesIO()
    pages = ((rgb, 20.0, 20000), (rgb[::4, ::4], 5.0, 5000), (rgb[:50, :70], -1.0, 100))
    with tifffile.TiffWriter(file) as writer:
        for pixels, magnification, resolution in pages:
            writer.write(
                np.ascontiguousarray(pixels),
                photometric="rgb",
                tile=(128, 128),
                compression="zlib",
                metadata=None,
                resolution=(resolution, resolution),
                resolutionunit="CENTIMETER",
                extratags=[
                    (271, "s", 0, "Hamamatsu", True),
                    (65420, "I", 1, 1, True),
                    (65421, "f", 1, magnification, True),
                ],
            )
    content = file.getvalue()
    (start,) = struct.unpack("<I", content[4:8])
    directories = []
    while start:
        (count,) = struct.unpack("<H", content[start : start + 2])
        end = start + 2 + 12 * count
        directories.append(content[start:end])
        (start,) = struct.unpack("<I", content[end : end + 4])
    content += bytes(-len(content) % 2)
    offset = len(content)
    content = content[:4] + struct.pack("<Q", offset) + content[12:]
    for i, directory in enumerate(directories):
        # The high halves of the values follow; where the next offset lies readers disagree.
        size = len(directory) + 16 + (len(directory) - 2) // 3
        offset += size
        following = struct.pack("<Q", offset if i + 1 < len(directories) else 0)
        content += directory + following + bytes((len(directory) - 2) // 3) + following
    path.write_bytes(content)
