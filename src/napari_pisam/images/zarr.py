"""OME-Zarr (NGFF 0.1 to 0.5) and plain Zarr, opened without loading them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_pisam.images.file_image import (
    READ_FAILURES,
    FileArray,
    FileChannel,
    FileImage,
    cannot_open,
    without_single_axes,
)
from napari_pisam.images.source import ImageError, ImageWarning

MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
# The axes of NGFF before 0.3, which did not name them.
OLD_AXES = "tczyx"
NO_UNIT = "pixel"
# So many chunks are looked for, evenly spread, when an array has more.
CHUNKS_LOOKED_FOR = 1024


def is_zarr(path: str | Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any((Path(path) / marker).is_file() for marker in MARKERS)


def open_zarr(path: str | Path) -> tuple[FileImage, ...]:
    """The images of an OME-Zarr folder, its labels behind them; nothing is loaded.

    A plain Zarr array is one image without calibration, its last two axes rows and columns.
    Raises ImageError when it is missing, damaged, no Zarr, or a plate of many images.
    """
    name = Path(path).name
    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return (_plain(node, name),)
        return _images(node, _stem(name))
    except ImageError:
        raise
    except READ_FAILURES as error:
        raise cannot_open(name, "OME-Zarr", error) from error


def _stem(name: str) -> str:
    return name.removesuffix(".zarr").removesuffix(".ome")


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    """The NGFF metadata: under "ome" from 0.5 on, among the attributes before."""
    attributes = dict(group.attrs)
    found = attributes.get("ome", attributes)
    if not isinstance(found, Mapping):
        raise ImageError(f"The OME-Zarr metadata of {group.name} is no mapping.")
    return found


def _plain(array: Any, name: str) -> FileImage:
    ndim = len(array.shape)
    if ndim < 2:
        raise ImageError(f"{name} has {ndim} axis and is no image.")
    axes = OLD_AXES[-ndim:] if ndim <= 5 else "q" * (ndim - 5) + OLD_AXES
    axes = axes.replace("c", "c" if ndim > 3 else "z")
    if ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        axes = "yxs"
    image = FileImage(
        name=_stem(name),
        levels=(FileArray(array, name),),
        axes=axes,
        scale=(1.0,) * ndim,
        translate=(0.0,) * ndim,
        units=(NO_UNIT,) * ndim,
        channels=_blank_channels(axes, array.shape),
        nodata=fill_of_lost_chunks(array),
    )
    return without_single_axes(image)


def _blank_channels(axes: str, shape: Sequence[int]) -> tuple[FileChannel, ...]:
    return (FileChannel(),) * (int(shape[axes.index("c")]) if "c" in axes else 1)


def _images(group: zarr.Group, name: str) -> tuple[FileImage, ...]:
    ome = _ome(group)
    if "multiscales" in ome:
        return (_multiscale(group, name), *_labels(group))
    if "plate" in ome:
        raise ImageError(
            f"{name} is a plate of many images: open the folder of one image in it"
            f"{_one_of(ome['plate'])}."
        )
    if "labels" in ome:
        return _listed_labels(group)
    series = sorted((key for key in group.group_keys() if key.isdecimal()), key=int)
    found = [
        image
        for key in series
        for image in _images(_child(group, key), f"{name} {key}")
        if "multiscales" in _ome(_child(group, key))
    ]
    if not found:
        raise ImageError(f"{name} is a Zarr group without OME-Zarr images: open one of its arrays.")
    return tuple(found)


def _child(group: zarr.Group, key: str) -> zarr.Group:
    child = group[key]
    if not isinstance(child, zarr.Group):
        raise ImageError(f"{key} in the OME-Zarr is an array and should be a group.")
    return child


def _one_of(plate: Any) -> str:
    """The folder of a plate's first image, as an example."""
    try:
        return f", such as {plate['wells'][0]['path']}/0"
    except (LookupError, TypeError):
        return ""


def _labels(group: zarr.Group) -> tuple[FileImage, ...]:
    """The label images that an image has beside it; damaged ones are left out with a warning."""
    if "labels" not in set(group.group_keys()):
        return ()
    inside, found = _child(group, "labels"), []
    for key in _listed(inside):
        try:
            found.append(_multiscale(_child(inside, key), key, labels=True))
        except READ_FAILURES as error:
            reason = str(cannot_open(f"The label image {key}", "OME-Zarr", error))
            warnings.warn(f"{reason} The image opens without it.", ImageWarning, stacklevel=2)
    return tuple(found)


def _listed_labels(group: zarr.Group) -> tuple[FileImage, ...]:
    return tuple(_multiscale(_child(group, key), key, labels=True) for key in _listed(group))


def _listed(group: zarr.Group) -> list[str]:
    """The names of the label images in a labels folder."""
    return [str(key) for key in _ome(group).get("labels") or sorted(group.group_keys())]


def _multiscale(group: zarr.Group, name: str, *, labels: bool = False) -> FileImage:
    ome = _ome(group)
    described = ome["multiscales"][0]
    arrays: list[Any] = [group[str(dataset["path"])] for dataset in described["datasets"]]
    if not all(isinstance(array, zarr.Array) for array in arrays) or not arrays:
        raise ImageError(f"{name} lists pyramid levels that are not arrays.")
    shape = tuple(int(n) for n in arrays[0].shape)
    axes, units = _axes(described.get("axes"), len(shape))
    scale, translate = _transform(described, len(shape))
    integral = np.dtype(arrays[0].dtype).kind in "iu"
    about = ome.get("image-label")
    image = FileImage(
        name=name,
        levels=tuple(FileArray(array, name) for array in arrays),
        axes=axes,
        scale=scale,
        translate=translate,
        units=units,
        channels=_channels(ome.get("omero"), axes, shape),
        labels=(labels or about is not None) and integral,
        label_colors=_label_colors(about),
        label_properties=_label_properties(about),
        nodata=fill_of_lost_chunks(arrays[0]),
    )
    return without_single_axes(image)


def fill_of_lost_chunks(array: Any) -> float | None:
    """The value of pixels in chunks that were never written; None when all were, as far as seen.

    Of an array of very many chunks some are looked for.
    """
    store, metadata = array.store_path, array.metadata
    root = getattr(store.store, "root", None)
    fill = array.fill_value
    if root is None or fill is None:
        return None
    folder = Path(root) / store.path
    stored = getattr(array, "shards", None) or array.chunks
    counts = [math.ceil(n / c) for n, c in zip(array.shape, stored, strict=True)]
    total = math.prod(counts)
    step = max(1, total // CHUNKS_LOOKED_FOR)
    for number in range(0, total, step):
        place = tuple(int(i) for i in np.unravel_index(number, counts))
        if not (folder / metadata.encode_chunk_key(place)).exists():
            value = float(fill)
            return value if math.isfinite(value) else None
    return None


def _entries(about: Any, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What the "image-label" block lists of single labels; entries without a label are skipped."""
    listed = about.get(kind) if isinstance(about, Mapping) else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("label-value"), int):
            yield entry["label-value"], entry


def _label_colors(about: Any) -> dict[int, tuple[float, ...]]:
    found = {}
    for label, entry in _entries(about, "colors"):
        rgba = entry.get("rgba")
        if isinstance(rgba, list) and len(rgba) == 4 and all(isinstance(v, int) for v in rgba):
            found[label] = tuple(min(max(v, 0), 255) / 255 for v in rgba)
    return found


def _label_properties(about: Any) -> dict[int, dict[str, Any]]:
    return {
        label: {key: value for key, value in entry.items() if key != "label-value"}
        for label, entry in _entries(about, "properties")
    }


def _axes(listed: Sequence[Any] | None, ndim: int) -> tuple[str, tuple[str, ...]]:
    """A letter and a unit for each axis; NGFF 0.3 listed names only, earlier ones nothing."""
    if listed is None:
        return OLD_AXES[-ndim:], (NO_UNIT,) * ndim
    entries = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in listed]
    names = [str(entry["name"]).lower() for entry in entries]
    if len(names) != ndim or not {"y", "x"} <= set(names) or len(set(names)) != ndim:
        raise ImageError(f"The axes {names} do not fit an image of {ndim} axes.")
    letters = "".join(n if len(n) == 1 and n != "s" else "q" for n in names)
    return letters, tuple(str(entry.get("unit") or NO_UNIT) for entry in entries)


def _transform(
    described: Mapping[str, Any], ndim: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translation of level 0: the level's own, then those of the whole pyramid."""
    scale, translate = np.ones(ndim), np.zeros(ndim)
    own = described["datasets"][0].get("coordinateTransformations") or ()
    for step in (*own, *(described.get("coordinateTransformations") or ())):
        if step.get("type") == "scale" and len(step.get("scale", ())) == ndim:
            factor = np.asarray(step["scale"], np.float64)
            scale, translate = scale * factor, translate * factor
        elif step.get("type") == "translation" and len(step.get("translation", ())) == ndim:
            translate = translate + np.asarray(step["translation"], np.float64)
    scale[~np.isfinite(scale) | (scale <= 0)] = 1.0
    return tuple(scale.tolist()), tuple(translate.tolist())


def _channels(
    omero: Mapping[str, Any] | None, axes: str, shape: Sequence[int]
) -> tuple[FileChannel, ...]:
    """Names, colours and contrast from the "omero" block, as many as there are channels."""
    blank = _blank_channels(axes, shape)
    listed = list((omero or {}).get("channels") or ())[: len(blank)]
    return (*(_channel(entry) for entry in listed), *blank[len(listed) :])


def _channel(entry: Mapping[str, Any]) -> FileChannel:
    window = entry.get("window") or {}
    low, high = window.get("start"), window.get("end")
    limits = None
    if low is not None and high is not None and float(low) < float(high):
        limits = (float(low), float(high))
    text = str(entry.get("color") or "").lstrip("#")
    try:
        red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
        color = (red, green, blue)
    except ValueError:
        color = None
    return FileChannel(
        name=entry.get("label"),
        color=color,
        limits=limits,
        visible=bool(entry.get("active", True)),
    )
