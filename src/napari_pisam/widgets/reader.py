"""The readers of the plugin: TIFF of any size and OME-Zarr as lazy napari layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_pisam.images.source import LazyArray
    from napari_pisam.images.stored import StoredChannel, StoredImage

LayerData = tuple[Any, dict[str, Any], str]
ReadFunction = Callable[[str | Sequence[str]], list[LayerData]]

# A single level up to this size is loaded: other plugins then find a plain array.
LOADED_BYTES = 64_000_000
# Labels up to this many pixels are loaded: napari lets nobody paint on lazy pyramids.
EDITABLE_PIXELS = 8192 * 8192
NO_UNIT = "pixel"
# Two channels, and more: pairs that a colour-blind person tells apart come first.
PAIR = ("magenta", "green")
MANY = ("cyan", "magenta", "yellow", "blue", "green", "red")


def get_tiff_reader(path: str | Sequence[str]) -> ReadFunction | None:
    """The reader of one TIFF file; None for anything else, which napari then tries itself."""
    from napari_pisam.images.tiff import is_tiff

    return read_file if isinstance(path, str) and is_tiff(path) else None


def get_zarr_reader(path: str | Sequence[str]) -> ReadFunction | None:
    """The reader of one OME-Zarr or plain Zarr folder; None for anything else."""
    from napari_pisam.images.zarr import is_zarr

    return read_file if isinstance(path, str) and is_zarr(path) else None


def read_file(path: str | Sequence[str]) -> list[LayerData]:
    """The layers of a file: one for each image and channel, one for each label image.

    Pyramids become lazy multiscale layers. Scale, translation, units, names, colours and contrast
    are the file's. Raises ImageError, one sentence, when the file does not open.
    """
    from napari_pisam.images.files import open_images

    if not isinstance(path, str):
        return [layer for one in path for layer in read_file(one)]
    return [
        layer
        for image in open_images(path)
        for layer in ([_labels_layer(image, path)] if image.labels else _image_layers(image, path))
    ]


def _image_layers(image: StoredImage, path: str) -> list[LayerData]:
    from napari_pisam.images.source import plane_of

    if image.rgb:
        levels = plane_of(list(image.levels), (), channel_axis=image.axes.index("s"))
        contrast = None if levels[0].dtype == np.uint8 else _rgb_contrast(image)
        return [_layer(image, levels, path, rgb=True, contrast_limits=contrast)]
    contrasts = _contrasts(image)
    if "c" not in image.axes:
        channel = image.channels[0]
        shown = {"contrast_limits": contrasts[0], "colormap": _colormap(channel)}
        return [_layer(image, list(image.levels), path, **shown)]
    axis, found = image.axes.index("c"), []
    for i, channel in enumerate(image.channels):
        index = [i if a == axis else slice(None) for a in range(len(image.axes))]
        found.append(
            _layer(
                image,
                plane_of(list(image.levels), index),
                path,
                name=f"{image.name} {channel.name or f'channel {i}'}",
                contrast_limits=contrasts[i],
                colormap=_colormap(channel) or _default_color(i, len(image.channels)),
                blending="additive",
                visible=channel.visible,
            )
        )
    return found


def _labels_layer(image: StoredImage, path: str) -> LayerData:
    levels: list[Any] = list(image.levels)
    if math.prod(levels[0].shape) <= EDITABLE_PIXELS:
        levels = [np.array(levels[0])]
    return (*_layer(image, levels, path)[:2], "labels")


def _layer(image: StoredImage, levels: Sequence[LazyArray], path: str, **shown: Any) -> LayerData:
    """One layer of an image: pixels, place in the world, and how it is shown (None: left out)."""
    first = levels[0]
    if len(levels) > 1:
        data: Any = list(levels)
    elif math.prod(first.shape) * np.dtype(first.dtype).itemsize <= LOADED_BYTES:
        data = np.asarray(first)
    else:
        data = first
    # A channel's own layer has no channel axis; samples are no axis of napari's.
    kept = [i for i, axis in enumerate(image.axes) if axis not in "cs"]
    keywords = {
        "name": image.name,
        "multiscale": len(levels) > 1,
        "scale": tuple(image.scale[i] for i in kept),
        "translate": tuple(image.translate[i] for i in kept),
        "metadata": {"path": str(Path(path))},
        **{key: value for key, value in shown.items() if value is not None},
    }
    units = tuple(_known_unit(image.units[i]) for i in kept)
    if set(units) != {NO_UNIT}:
        keywords["units"] = units
    return data, keywords, "image"


def _known_unit(name: str) -> str:
    """A unit that napari understands; "pixel" for one that nobody does."""
    import pint

    try:
        pint.get_application_registry().Unit(name)  # type: ignore[no-untyped-call]
    except (pint.PintError, AttributeError, ValueError, TypeError):
        return NO_UNIT
    return name


def _middle(image: StoredImage) -> dict[str, int]:
    return {axis: n // 2 for axis, n in image.stack.items()}


def _contrasts(image: StoredImage) -> list[tuple[float, float]]:
    """The file's contrast limits; where it has none, percentiles of the middle plane."""
    from napari_pisam.images.intensity import intensity_window

    limits = [channel.limits for channel in image.channels]
    if all(pair is not None for pair in limits):
        return [pair for pair in limits if pair is not None]
    window = intensity_window(image.plane(_middle(image)))
    measured = zip(window.low, window.high, strict=True)
    return [pair or other for pair, other in zip(limits, measured, strict=True)]


def _rgb_contrast(image: StoredImage) -> tuple[float, float]:
    from napari_pisam.images.intensity import intensity_window

    window = intensity_window(image.plane(_middle(image)))
    return window.low[0], window.high[0]


def _colormap(channel: StoredChannel) -> Any:
    """The colours a file gives a channel; None when it gives none."""
    from napari.utils import Colormap

    if channel.lut is not None:
        return Colormap(channel.lut, name=f"{channel.name or 'table'} of the file")
    if channel.color is None:
        return None
    if len(set(channel.color)) == 1:
        return "gray"
    name = "#" + "".join(f"{round(255 * part):02x}" for part in channel.color)
    return Colormap([(0.0, 0.0, 0.0), channel.color], name=name)


def _default_color(i: int, count: int) -> str:
    return PAIR[i] if count == len(PAIR) else MANY[i % len(MANY)]
