"""Where our layers lie: the image's transform, and that of a window of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.geometry import Window

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_pisam.session.plane import PlaneIndex


def same_frame(image: Image) -> dict[str, Any]:
    """Keyword arguments that give a new layer of pixel coordinates the image's transform."""
    return {
        "scale": np.asarray(image.scale),
        "translate": np.asarray(image.translate),
        "rotate": np.asarray(image.rotate),
        "shear": np.asarray(image.shear),
        "affine": np.asarray(image.affine),
        "units": image.units,
        "axis_labels": image.axis_labels,
    }


def window_frame(
    image: Image, index: PlaneIndex, window: Window, side: int, *, first: tuple[int, int] = (0, 0)
) -> dict[str, Any]:
    """Keyword arguments that lay a (side, side) array of a window over the image.

    The array has the image's axes, length 1 along those that the plane fixes. first: the row and
    column of the array that are the layer's first, when it is cut.
    """
    frame = same_frame(image)
    steps = iter((window.height / side, window.width / side))
    starts = iter(((window.y, first[0]), (window.x, first[1])))
    scale, origin = frame["scale"].copy(), np.zeros(image.ndim)
    for axis, position in enumerate(index):
        if position is None:
            step, (start, skipped) = next(steps), next(starts)
            scale[axis] *= step
            # The first pixel of the array is `step` wide and begins where the window does.
            origin[axis] = start - 0.5 + (0.5 + skipped) * step
        else:
            origin[axis] = position
    world = np.asarray(image.data_to_world(origin))[-image.ndim :]
    frame["scale"] = scale
    frame["translate"] = np.asarray(image.affine.inverse(world))
    return frame


def inside_image(image: Image, index: PlaneIndex, window: Window, side: int) -> tuple[slice, slice]:
    """The rows and columns of a (side, side) array of a window whose centres lie in the image."""
    shape = image.data[0].shape if image.multiscale else image.data.shape
    sizes = [int(shape[axis]) for axis, position in enumerate(index) if position is None]
    parts = []
    for start, length, size in zip(
        (window.y, window.x), (window.height, window.width), sizes, strict=True
    ):
        centres = start + (np.arange(side) + 0.5) * length / side
        inside = np.flatnonzero((centres >= 0) & (centres < size))
        parts.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 1))
    return parts[0], parts[1]


def apply_frame(layer: Layer, frame: dict[str, Any]) -> None:
    """Give an existing layer a frame; what is right already is left alone, it costs a repaint."""
    for name, value in frame.items():
        old = getattr(layer, name)
        if name in ("units", "axis_labels"):
            if tuple(old) != tuple(value):
                setattr(layer, name, value)
        elif not np.array_equal(np.asarray(old), np.asarray(value)):
            setattr(layer, name, value)


def pixel_at(image: Image, world: Any, index: PlaneIndex) -> tuple[float, float]:
    """Image pixel (y, x) of a place in the viewer, on the axes that span the plane."""
    data = np.asarray(image.world_to_data(np.asarray(world, float)))
    y, x = (float(data[axis]) for axis, position in enumerate(index) if position is None)
    return y, x


def rows_of(index: PlaneIndex, places: list[tuple[float, float]]) -> np.ndarray[Any, Any]:
    """Data coordinates, one row per place (y, x), with the plane's position on the other axes."""
    rows = np.zeros((len(places), len(index)))
    axes = [axis for axis, position in enumerate(index) if position is None]
    for axis, position in enumerate(index):
        if position is not None:
            rows[:, axis] = position
    if places:
        rows[:, axes] = places
    return rows
