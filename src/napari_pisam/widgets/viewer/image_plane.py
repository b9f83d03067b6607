"""Which plane of which image is shown, and which of its channels the model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_pisam.images.bands import BandSource
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageSource, as_source, plane_of
from napari_pisam.session.plane import ImagePlane, PlaneIndex, PlaneKey
from napari_pisam.widgets.viewer.identity import NODATA

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


@dataclass(frozen=True, slots=True, eq=False)
class ChannelChoice:
    """How the image is shown to the model.

    bands: one to three layers that become red, green, blue; empty for the image itself.
    as_displayed: take the contrast limits of the layers instead of percentiles of the pixels.
    """

    bands: tuple[Image, ...] = ()
    as_displayed: bool = False


def plane_index(image: Image, dims: Dims) -> PlaneIndex | None:
    """The plane of the image that is shown; None when it is none (3D view, outside the stack)."""
    if dims.ndisplay != 2:
        return None
    missing = dims.ndim - image.ndim
    shown = {axis - missing for axis in dims.displayed}
    if any(axis < 0 for axis in shown):
        return None
    # dims.point, not current_step: the steps of a scaled or translated layer are not its planes.
    here = np.asarray(image.world_to_data(np.asarray(dims.point, float)))
    index: list[int | None] = []
    for axis, length in enumerate(spatial_shape(image)):
        position = round(float(here[axis]))
        if axis in shown:
            index.append(None)
        elif 0 <= position < length:
            index.append(position)
        else:
            return None
    return tuple(index)


def spatial_shape(image: Image) -> tuple[int, ...]:
    """The shape of the image's finest level, without the axis of RGB."""
    data = image.data[0] if image.multiscale else image.data
    return tuple(int(n) for n in data.shape[: image.ndim])


def source_of(image: Image, index: PlaneIndex) -> ImageSource:
    """The pixels of one plane, read when they are needed; raises ImageError for no image."""
    data = list(image.data) if image.multiscale else image.data
    fixed = [slice(None) if position is None else position for position in index]
    channel_axis = image.ndim if image.rgb else None
    plane = plane_of(data, fixed, channel_axis=channel_axis)
    # what the reader of the file found, see `files.reader`
    nodata = image.metadata.get(NODATA)
    return as_source(plane, rgb=bool(image.rgb), nodata=nodata)


def image_plane(
    image: Image, index: PlaneIndex, channels: ChannelChoice, *, name: str, version: str
) -> ImagePlane:
    """The plane as the session takes it.

    name: the image's lasting name. version: that of its pixels and channels. Raises ImageError
    with a sentence for the person.
    """
    bands = channels.bands or (image,)
    sources = [source_of(band, index) for band in bands]
    source = sources[0] if len(sources) == 1 else BandSource(sources)
    intensity = _displayed(bands, source) if channels.as_displayed else None
    return ImagePlane(PlaneKey(name, index), source, version, intensity=intensity)


def _displayed(bands: Sequence[Image], source: ImageSource) -> IntensityWindow | None:
    """The contrast limits of the layers as an intensity window; None when they are no window."""
    limits = [tuple(float(v) for v in band.contrast_limits) for band in bands]
    if len(limits) == 1:
        limits = limits * source.channels
    if any(not low < high for low, high in limits):
        return None
    return IntensityWindow(tuple(low for low, _ in limits), tuple(high for _, high in limits))
