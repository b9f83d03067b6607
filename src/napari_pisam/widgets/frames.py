"""Where our layers lie: the image's transform, and that of a window of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where the pixels of a picture of a window lie in the image: evenly, and all inside it.

    starts: the image pixel (y, x) at the upper left corner of the first one. steps: image pixels
    from one to the next, never less than 1. counts: how many rows and columns.

    napari's sliders take the smallest step and the largest extent of all layers: a picture that
    were finer than the image, or reached beyond it, would move them off the image's planes.
    """

    starts: tuple[float, float]
    steps: tuple[float, float]
    counts: tuple[int, int]

    @classmethod
    def over(cls, window: Window, side: int, sizes: tuple[int, int]) -> Lattice | None:
        """The lattice for a (side, side) array over a window; None when all of it is outside.

        sizes: rows and columns of the image. Where the window lies inside the image and is not
        enlarged, it is the array's own.
        """
        starts, steps, counts = [], [], []
        for start, length, size in zip(
            (window.y, window.x), (window.height, window.width), sizes, strict=True
        ):
            low, high = max(start, 0) - 0.5, min(start + length, size) - 0.5
            if high - low < 1:
                return None
            count = int((high - low) / max(length / side, 1) + 1e-9)
            starts.append(low)
            steps.append((high - low) / count)
            counts.append(count)
        return cls((starts[0], starts[1]), (steps[0], steps[1]), (counts[0], counts[1]))

    def sampled(self, pixels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        """A (side, side) array over the window at the pixels of the lattice: uint8, `counts`.

        Linear between pixels of the array; the mean of several where one of the lattice is wider.
        """
        lengths = (window.height, window.width)
        if self.counts == pixels.shape and np.allclose(
            (self.starts, self.steps),
            ((window.y - 0.5, window.x - 0.5), np.divide(lengths, pixels.shape)),
        ):
            return pixels
        side = pixels.shape[0]
        rows = self._weights(0, side, origin=window.y, length=window.height)
        cols = self._weights(1, side, origin=window.x, length=window.width)
        result: NDArray[np.uint8] = np.rint(rows @ pixels @ cols.T).astype(np.uint8)
        return result

    def _weights(self, axis: int, side: int, *, origin: int, length: int) -> NDArray[np.float32]:
        """How much each pixel of the array counts for each of the lattice: (count, side)."""
        own = length / side
        centres = self.starts[axis] + (np.arange(self.counts[axis]) + 0.5) * self.steps[axis]
        places = np.clip((centres - (origin - 0.5)) / own - 0.5, 0, side - 1)
        reach = max(self.steps[axis] / own, 1.0)
        weights = np.maximum(1 - np.abs(np.arange(side) - places[:, None]) / reach, 0)
        result: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
        return result


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
