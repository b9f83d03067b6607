"""What other layers show already: a label under the mouse, a rectangle of a shapes layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box
from napari_pisam.session.label_store import LabelStore, LabelStoreError
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.image_plane import plane_index, spatial_shape
from napari_pisam.widgets.viewer.layer_transform import pixel_at

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer, Shapes

    from napari_pisam.widgets.viewer.label_layers import LabelLayers

WHOLE_PIXELS = 2**24
"""A plane of more is looked through in a window round the mouse, which grows with the object."""
FIRST_SIDE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Pointed:
    """A label under the mouse: its layer, and where it lies in the image."""

    layer: Labels
    label: int
    mask: PlacedMask


def pointed_label(
    label_layers: LabelLayers, image: Image, index: PlaneIndex, *, world: Any, dims: Dims
) -> Pointed | None:
    """The label that a labels layer shows at a place of the viewer; the chosen layer goes first.

    index: the plane of the image that is shown. The layer may have another shape and transform.
    """
    layers = [layer for layer in label_layers.layers() if layer.visible]
    for layer in sorted(layers, key=lambda layer: layer is not label_layers.layer):
        own = plane_index(layer, dims)
        if own is None:
            continue
        found = _label_at(
            label_layers.store_of(layer), own, pixel_at(layer, world, own), layer=layer
        )
        if found is not None:
            label, mask = found
            if not (own == index and _one_frame(layer, image)):
                mask = _in_image(mask, _PlaneOf(layer, own), _PlaneOf(image, index))
            return Pointed(layer, label, mask.cropped()) if mask.mask.any() else None
    return None


def _label_at(
    store: LabelStore, index: PlaneIndex, place: tuple[float, float], *, layer: Labels
) -> tuple[int, PlacedMask] | None:
    """The label at a place of a layer's plane and its pixels there; None for background."""
    height, width = (n for n, p in zip(spatial_shape(layer), index, strict=True) if p is None)
    row, col = round(place[0]), round(place[1])
    if not (0 <= row < height and 0 <= col < width):
        return None
    try:
        label = int(store.read(index, Window(row, col, 1, 1))[0, 0])
        if not label:
            return None
        for window in _windows(row, col, (height, width)):
            held = store.read(index, window) == label
            if not _leaves(held, window, (height, width)):
                break
    except LabelStoreError:
        return None
    return label, PlacedMask(window.y, window.x, held).cropped()


def _windows(row: int, col: int, shape: tuple[int, int]) -> Iterator[Window]:
    """Ever larger rectangles round a pixel, the whole plane last."""
    height, width = shape
    side = FIRST_SIDE
    while height * width > WHOLE_PIXELS and side < max(height, width):
        window = Window(row - side // 2, col - side // 2, side, side).inside(height, width)
        if window is not None:
            yield window
        side *= 2
    yield Window(0, 0, height, width)


def _leaves(held: Any, window: Window, shape: tuple[int, int]) -> bool:
    """Whether an object goes on beyond a rectangle of a plane."""
    height, width = shape
    return bool(
        (window.y > 0 and held[0].any())
        or (window.x > 0 and held[:, 0].any())
        or (window.y + window.height < height and held[-1].any())
        or (window.x + window.width < width and held[:, -1].any())
    )


def _one_frame(layer: Layer, image: Image) -> bool:
    """Whether pixels of both lie on each other."""
    if spatial_shape(layer) != spatial_shape(image):
        return False
    corners = (np.zeros(image.ndim), np.array(spatial_shape(image)) - 1.0)
    return all(np.allclose(layer.data_to_world(c), image.data_to_world(c)) for c in corners)


@dataclass(frozen=True, slots=True, eq=False)
class _PlaneOf:
    """A plane of a layer, and so a frame of places (y, x)."""

    layer: Layer
    index: PlaneIndex

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        sides = zip(spatial_shape(self.layer), self.index, strict=True)
        height, width = (n for n, position in sides if position is None)
        return height, width


def _in_image(mask: PlacedMask, own: _PlaneOf, image: _PlaneOf) -> PlacedMask:
    """The pixels of the image whose centres a mask in another layer's pixels covers."""
    rows, cols = mask.mask.shape
    edges = ((-0.5, -0.5), (-0.5, cols - 0.5), (rows - 0.5, -0.5), (rows - 0.5, cols - 0.5))
    corners = np.array([_moved((mask.y + y, mask.x + x), own, image) for y, x in edges])
    height, width = image.shape
    top, left = np.maximum(np.ceil(corners.min(0)), 0).astype(int)
    bottom, right = np.minimum(np.floor(corners.max(0)) + 1, (height, width)).astype(int)
    if top >= bottom or left >= right:
        return PlacedMask(0, 0, np.zeros((0, 0), np.bool_))
    # Three places tell how the one frame lies in the other.
    start, below, beside = (
        np.array(_moved((top + y, left + x), image, own)) for y, x in ((0, 0), (1, 0), (0, 1))
    )
    down = np.arange(bottom - top)[:, None, None] * (below - start)
    across = np.arange(right - left)[None, :, None] * (beside - start)
    places = np.rint(start + down + across).astype(int) - (mask.y, mask.x)
    inside = ((places >= 0) & (places < (rows, cols))).all(2)
    clipped = np.clip(places, 0, (rows - 1, cols - 1))
    return PlacedMask(int(top), int(left), inside & mask.mask[clipped[..., 0], clipped[..., 1]])


def _moved(place: tuple[float, float], start: _PlaneOf, stop: _PlaneOf) -> tuple[float, float]:
    """A place (y, x) on a plane of one layer, in pixels of another."""
    sides = iter(place)
    data = [float(next(sides)) if p is None else float(p) for p in start.index]
    return pixel_at(stop.layer, start.layer.data_to_world(data), stop.index)


def box_of_shapes(layer: Shapes, image: Image, index: PlaneIndex) -> Box | None:
    """The box round the selected shapes of a layer, else round its newest one.

    None where there is no shape, or one that lies on another plane.
    """
    chosen = sorted(layer.selected_data) or [len(layer.data) - 1]
    if not len(layer.data):
        return None
    corners = np.concatenate([np.asarray(layer.data[number]) for number in chosen])
    places = np.array([image.world_to_data(layer.data_to_world(corner)) for corner in corners])
    fixed = [] if layer.ndim < image.ndim else [a for a, p in enumerate(index) if p is not None]
    if any((np.rint(places[:, axis]) != index[axis]).any() for axis in fixed):
        return None
    ys, xs = (places[:, axis] for axis, position in enumerate(index) if position is None)
    if ys.min() == ys.max() or xs.min() == xs.max():
        return None
    return Box(float(ys.min()), float(xs.min()), float(ys.max()), float(xs.max()))
