"""The readers of the plugin: TIFF of any size and OME-Zarr as lazy napari layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import Places, VirtualArray, slices_of
from napari_pisam.images.overviews import Overview, with_overviews
from napari_pisam.images.salvaged import SalvagedArray
from napari_pisam.images.source import ImageError, plane_of
from napari_pisam.widgets.viewer.identity import NODATA

if TYPE_CHECKING:
    from napari_pisam.images.file_image import FileChannel, FileImage
    from napari_pisam.images.lazy import LazyArray

LayerData = tuple[Any, dict[str, Any], str]
ReadFunction = Callable[[str | Sequence[str]], list[LayerData]]

# A single level up to this size is loaded: other plugins then find a plain array.
LOADED_BYTES = 64_000_000
# Labels up to this many pixels are loaded: napari lets nobody paint on lazy pyramids.
EDITABLE_PIXELS = 8192 * 8192
NO_UNIT = "pixel"
UNNAMED = "gray"
# For two channels, and for more: colours that differ for a colour-blind person come first.
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


def get_picture_reader(path: str | Sequence[str]) -> ReadFunction | None:
    """The reader of a picture that is stored otherwise than it is seen; None for anything else.

    Turned by its EXIF orientation, CMYK, gray with alpha: napari's own reader shows what is stored.
    """
    from napari_pisam.images.raster import stored_otherwise

    return read_file if isinstance(path, str) and stored_otherwise(path) else None


def read_file(path: str | Sequence[str]) -> list[LayerData]:
    """The layers of a file: one for each image and channel, one for each label image.

    Pyramids become lazy multiscale layers, large images without one too. Scale, translation,
    units, names, colours and contrast are the file's. What is damaged inside is shown black, and a
    warning says so. Raises ImageError, one sentence, when the file does not open.
    """
    from napari_pisam.images.files import open_images

    if not isinstance(path, str):
        return [layer for one in path for layer in read_file(one)]
    shown = _File(path)
    return [
        layer
        for image in open_images(path)
        for layer in (shown.labels(image) if image.labels else shown.image(image))
    ]


class _File:
    """Makes the layers of one file, and warns once when it is damaged."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._damaged = False

    def image(self, image: FileImage) -> list[LayerData]:
        """A layer, or one for each channel."""
        if image.rgb:
            levels = plane_of(list(image.levels), (), channel_axis=image.axes.index("s"))
            (contrast, *_) = [None] if image.levels[0].dtype == np.uint8 else self._measured(image)
            return [self._layer(image, levels, rgb=True, contrast_limits=contrast)]
        contrasts = self._contrasts(image)
        if "c" not in image.axes:
            channel = image.channels[0]
            shown = {"contrast_limits": contrasts[0], "colormap": _colormap(channel)}
            return [self._layer(image, list(image.levels), **shown)]
        axis, found = image.axes.index("c"), []
        for i, channel in enumerate(image.channels):
            index = [i if a == axis else slice(None) for a in range(len(image.axes))]
            found.append(
                self._layer(
                    image,
                    plane_of(list(image.levels), index),
                    name=f"{image.name} {channel.name or f'channel {i}'}",
                    contrast_limits=contrasts[i],
                    colormap=_colormap(channel) or _default_color(i, len(image.channels)),
                    blending="additive",
                    visible=channel.visible,
                )
            )
        return found

    def labels(self, image: FileImage) -> list[LayerData]:
        """A labels layer, which can be painted on unless it is large."""
        levels = list(image.levels)
        if math.prod(levels[0].shape) <= EDITABLE_PIXELS:
            levels = [np.asarray(SalvagedArray(levels[0], self._warn))]
        given = {"colormap": _label_colormap(image), "features": _label_features(image)}
        return [(*self._layer(image, levels, **given)[:2], "labels")]

    def _layer(self, image: FileImage, levels: Sequence[LazyArray], **shown: Any) -> LayerData:
        """One layer: pixels, place in the world, and how it is shown (None: left out)."""
        # A channel's own layer has no channel axis; samples are no axis of napari's.
        kept = [i for i, axis in enumerate(image.axes) if axis not in "cs"]
        letters = [image.axes[i] for i in kept]
        data = self._data(levels, (letters.index("y"), letters.index("x")), nearest=image.labels)
        keywords: dict[str, Any] = {
            "name": image.name,
            "multiscale": isinstance(data, list),
            "scale": tuple(image.scale[i] for i in kept),
            "translate": tuple(image.translate[i] for i in kept),
            "metadata": {"path": str(Path(self._path))},
            **{key: value for key, value in shown.items() if value is not None},
        }
        units = tuple(_known_unit(image.units[i]) for i in kept)
        if image.nodata is not None:
            keywords["metadata"][NODATA] = image.nodata
        if set(units) != {NO_UNIT}:
            keywords["units"] = units
        return data, keywords, "image"

    def _data(self, levels: Sequence[LazyArray], plane: tuple[int, int], *, nearest: bool) -> Any:
        """The pixels of a layer: an array of a small image, else lazy, with an overview."""
        first = levels[0]
        if isinstance(first, np.ndarray) and len(levels) == 1 and not isinstance(first, np.memmap):
            return first
        shown = [SalvagedArray(level, self._warn) for level in levels]
        if len(shown) == 1 and shown[0].size * shown[0].dtype.itemsize <= LOADED_BYTES:
            loaded = np.asarray(shown[0])
            return shown[0] if self._damaged else loaded
        all_levels = with_overviews(shown, plane, nearest=nearest)
        if len(all_levels) == 1:
            return all_levels[0]
        last = all_levels[-1]
        if isinstance(last, Overview):
            _compute(last)
        return list(all_levels)

    def _contrasts(self, image: FileImage) -> list[tuple[float, float]]:
        """The file's contrast limits; where it has none, percentiles of the middle plane."""
        limits = [channel.limits for channel in image.channels]
        if all(pair is not None for pair in limits):
            return [pair for pair in limits if pair is not None]
        return [pair or other for pair, other in zip(limits, self._measured(image), strict=True)]

    def _measured(self, image: FileImage) -> list[tuple[float, float]]:
        """Percentiles of the middle plane, one pair for each channel."""
        from napari_pisam.images.intensity import intensity_window

        middle = {axis: n // 2 for axis, n in image.stack.items()}
        try:
            try:
                window = intensity_window(image.plane(middle))
            except ImageError:
                # That plane may be missing.
                window = intensity_window(image.plane(dict.fromkeys(image.stack, 0)))
        except ImageError as error:
            self._warn(str(error))
            black = tuple(_Blackened(SalvagedArray(level, self._warn)) for level in image.levels)
            window = intensity_window(replace(image, levels=black).plane(middle))
        return list(zip(window.low, window.high, strict=True))

    def _warn(self, sentence: str) -> None:
        from napari.utils.notifications import show_warning

        if not self._damaged:
            self._damaged = True
            show_warning(f"{sentence} It is shown black.")


class _Blackened(VirtualArray):
    """A salvaged array as one to compute from: its zeros count as pixels."""

    def __init__(self, salvaged: SalvagedArray) -> None:
        super().__init__(salvaged.shape, salvaged.dtype)
        self._salvaged = salvaged

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        return self._salvaged[slices_of(wanted)]


def _compute(overview: Overview) -> None:
    """Compute an overview now, of the middle of a stack, with a bar in napari's activity dock."""
    from napari.utils import progress

    steps = overview.steps([n // 2 for n in overview.outer_shape])
    with progress(desc="Pi-SAM: computing an overview") as bar:
        for done, total in steps:
            bar.total = total
            bar.update(done - bar.n)


def _known_unit(name: str) -> str:
    """A unit that napari understands; "pixel" for one that nobody does."""
    import pint

    try:
        pint.get_application_registry().Unit(name)  # type: ignore[no-untyped-call]
    except (pint.PintError, AttributeError, ValueError, TypeError):
        return NO_UNIT
    return name


def _colormap(channel: FileChannel) -> Any:
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


def _label_colormap(image: FileImage) -> Any:
    """The colours that a file gives its labels; None when it gives none."""
    from napari.utils import DirectLabelColormap

    if not image.label_colors:
        return None
    # A label that the file does not name is still to be seen.
    colors: dict[int | None, Any] = {None: UNNAMED, 0: "transparent"}
    colors.update((label, color) for label, color in image.label_colors.items())
    return DirectLabelColormap(color_dict=colors)


def _label_features(image: FileImage) -> dict[str, list[Any]] | None:
    """The properties that a file gives its labels, a row each; None when it gives none."""
    if not image.label_properties:
        return None
    names = dict.fromkeys(key for row in image.label_properties.values() for key in row)
    rows = image.label_properties
    found = {name: [row.get(name) for row in rows.values()] for name in names}
    return {"index": list(rows), **found}
