"""The transforms of layers: the image's, that of a window of it, and places in and out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_pisam.predict.lattice import Lattice
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


def lattice_frame(image: Image, index: PlaneIndex, lattice: Lattice) -> dict[str, Any]:
    """Keyword arguments that lay an array of a lattice's pixels over a plane of the image.

    The array has the image's axes, length 1 along those that the plane fixes.
    """
    frame = same_frame(image)
    steps, starts = iter(lattice.steps), iter(lattice.starts)
    scale, origin = frame["scale"].copy(), np.zeros(image.ndim)
    for axis, position in enumerate(index):
        if position is None:
            step = next(steps)
            scale[axis] *= step
            origin[axis] = next(starts) + step / 2
        else:
            origin[axis] = position
    world = np.asarray(image.data_to_world(origin))[-image.ndim :]
    frame["scale"] = scale
    frame["translate"] = np.asarray(image.affine.inverse(world))
    return frame


def apply_frame(layer: Layer, frame: dict[str, Any]) -> None:
    """Give an existing layer a frame; what is right already is left alone, it costs a repaint."""
    for name, value in frame.items():
        if _differs(layer, name, value):
            setattr(layer, name, value)


def differs(layer: Layer, frame: dict[str, Any]) -> bool:
    """Whether a layer lies in another frame."""
    return any(_differs(layer, name, value) for name, value in frame.items())


def _differs(layer: Layer, name: str, value: Any) -> bool:
    old = getattr(layer, name)
    if name in ("units", "axis_labels"):
        return tuple(old) != tuple(value)
    return not np.array_equal(np.asarray(old), np.asarray(value))


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
