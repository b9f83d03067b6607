"""One plane of an image, read a window at a time, whatever holds its pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.alpha import over_black
from napari_pisam.images.lazy import LazyArray, Places, VirtualArray, as_slice, exact_levels
from napari_pisam.images.overviews import with_overviews

# A level counts as fine enough when it is coarser than wanted by no more than this.
SCALE_SLACK = 1.01
# (few, _, many) is taken for an image with its channels first.
FEW_CHANNELS, MANY_CHANNELS = 16, 64


class ImageError(ValueError):
    """An image that cannot be opened or read; its message is one sentence for the user."""


class ImageWarning(UserWarning):
    """Something of an image that is left out or shown otherwise; one sentence for the user."""


@runtime_checkable
class ImageSource(Protocol):
    """A two-dimensional image with channels, of any size, read window by window.

    height, width: pixels of level 0. channels: what `read` returns, 3 for RGB (alpha is never
    one of them). levels: how many pixels of level 0 a pixel of each level spans; levels[0] is 1.
    rgb: whether the channels are red, green, blue.
    """

    @property
    def height(self) -> int:
        """Pixels of level 0."""

    @property
    def width(self) -> int:
        """Pixels of level 0."""

    @property
    def channels(self) -> int:
        """Channels that `read` returns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that `read` returns."""

    @property
    def levels(self) -> tuple[float, ...]:
        """Pixels of level 0 per pixel of each level."""

    @property
    def rgb(self) -> bool:
        """Whether the channels are red, green, blue."""

    def read(self, window: Window) -> NDArray[Any]:
        """The pixels of the part of the window inside the image, at the window's level.

        Returns (h, w, channels) in the source's dtype, (0, 0, channels) for a window wholly
        outside. It may be a view: do not write to it. At a coarser level the rectangle's edges
        are rounded to whole pixels of that level (at least one), so windows that partition the
        image read every pixel of the level once. Raises ImageError when the file fails.
        """
        ...


class Reopenable(Protocol):
    """Where a source is found again, also by another process: it can be pickled."""

    def open(self) -> ImageSource:
        """The source, opened anew."""
        ...


@runtime_checkable
class DescribedSource(ImageSource, Protocol):
    """An ImageSource that declares what is stored and where, as the sources of this package do."""

    @property
    def stored_levels(self) -> int:
        """How many of the levels, the first ones, are stored and not computed from others."""

    @property
    def nodata(self) -> tuple[float | None, ...]:
        """For each channel, the value of pixels that were not measured; None for no such value."""

    @property
    def spec(self) -> Reopenable | None:
        """Where it is found again; None for arrays in memory."""


def stored_levels(source: ImageSource) -> int:
    """How many of the levels are stored: all unless the source declares fewer."""
    return source.stored_levels if isinstance(source, DescribedSource) else len(source.levels)


def nodata_of(source: ImageSource) -> tuple[float | None, ...]:
    """For each channel, the value of pixels that were not measured, as far as it is declared."""
    if isinstance(source, DescribedSource):
        return source.nodata
    return (None,) * source.channels


def _factor(full: int, reduced: int) -> float:
    """Pixels of level 0 per pixel of a level: the whole number that explains both sizes, if any."""
    whole = round(full / reduced)
    if whole >= 1 and reduced in (full // whole, -(-full // whole)):
        return float(whole)
    return full / reduced


def _span(start: int, stop: int, factor: float, *, full: int, limit: int) -> slice:
    """The pixels of a level for [start, stop) of `full` ones: rounded edges, never empty."""
    a = min(math.floor(start / factor + 0.5), limit - 1)
    b = limit if stop == full else min(max(math.floor(stop / factor + 0.5), a + 1), limit)
    return slice(a, b)


class PyramidSource:
    """An ImageSource over arrays (H, W) or (H, W, C), finest first, channels last.

    Where the coarsest is large, coarser ones are computed from it as they are read, so that a
    window of any size is read in bounded memory. rgb: None takes 3 or 4 channels of uint8 for
    RGB(A); True also those of another dtype; False keeps four channels as four. spec: where the
    arrays are found again, if anywhere. nodata: the value of pixels that were not measured. Alpha
    is not read: colours come as they are seen over black. Raises ImageError for shapes or dtypes
    that are no image.
    """

    def __init__(
        self,
        levels: Sequence[LazyArray],
        *,
        rgb: bool | None = None,
        nodata: float | None = None,
        spec: Reopenable | None = None,
    ) -> None:
        if not len(levels):
            raise ImageError("The image has no pyramid level: give at least one array.")
        self._arrays = tuple(exact_levels(levels))
        shape = tuple(int(n) for n in self._arrays[0].shape)
        self._dtype = _checked_dtype(self._arrays[0].dtype)
        _check_shape(shape)
        samples = shape[2] if len(shape) == 3 else 1
        self._rgb = _decide_rgb(rgb, samples, self._dtype)
        self._height, self._width = shape[:2]
        self._channels = 3 if self._rgb else samples
        self._check_levels()
        self._stored, self._spec = len(self._arrays), spec
        self._nodata = (nodata,) * self._channels
        self._arrays = with_overviews(self._arrays)
        self._factors = tuple(
            (_factor(self._height, int(a.shape[0])), _factor(self._width, int(a.shape[1])))
            for a in self._arrays
        )

    def _check_levels(self) -> None:
        first = self._arrays[0].shape
        sizes = [(int(a.shape[0]), int(a.shape[1])) for a in self._arrays]
        if any(len(a.shape) != len(first) or a.shape[2:] != first[2:] for a in self._arrays):
            raise ImageError("All pyramid levels need the same number of axes and of channels.")
        if any(min(s) < 1 for s in sizes) or any(
            b[0] > a[0] or b[1] > a[1] for a, b in pairwise(sizes)
        ):
            raise ImageError(f"Pyramid levels go from the largest to the smallest, not {sizes}.")

    @property
    def height(self) -> int:
        """Pixels of level 0."""
        return self._height

    @property
    def width(self) -> int:
        """Pixels of level 0."""
        return self._width

    @property
    def channels(self) -> int:
        """Channels that `read` returns."""
        return self._channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that `read` returns."""
        return self._dtype

    @property
    def levels(self) -> tuple[float, ...]:
        """Pixels of level 0 per pixel of each level (the geometric mean of both axes)."""
        return tuple(math.sqrt(fy * fx) for fy, fx in self._factors)

    @property
    def stored_levels(self) -> int:
        """How many of the levels are stored and not computed from others."""
        return self._stored

    @property
    def nodata(self) -> tuple[float | None, ...]:
        """For each channel, the value of pixels that were not measured."""
        return self._nodata

    @property
    def spec(self) -> Reopenable | None:
        """Where it is found again; None for arrays in memory."""
        return self._spec

    @property
    def rgb(self) -> bool:
        """Whether the channels are red, green, blue."""
        return self._rgb

    def read(self, window: Window) -> NDArray[Any]:
        """See ImageSource.read."""
        if not 0 <= window.level < len(self._arrays):
            raise ValueError(f"The image has {len(self._arrays)} levels, not {window.level + 1}.")
        part = window.inside(self._height, self._width)
        if part is None:
            return np.zeros((0, 0, self._channels), self._dtype)
        array = self._arrays[window.level]
        fy, fx = self._factors[window.level]
        rows = _span(part.y, part.y + part.height, fy, full=self._height, limit=int(array.shape[0]))
        cols = _span(part.x, part.x + part.width, fx, full=self._width, limit=int(array.shape[1]))
        pixels = np.asarray(array[rows, cols])
        if pixels.ndim == 2:
            return pixels[..., None]
        return over_black(pixels) if pixels.shape[2] > self._channels else pixels


class ArraySource(PyramidSource):
    """An ImageSource over one array (H, W) or (H, W, C), in memory or lazy; see PyramidSource."""

    def __init__(self, array: LazyArray, *, rgb: bool | None = None) -> None:
        super().__init__((array,), rgb=rgb)


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise ImageError(f"Pixels of type {dtype} are not numbers numpy knows.") from None
    if found.kind not in "buif":
        raise ImageError(f"Pixels are integers, real numbers or booleans, not {found}.")
    return found


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3):
        raise ImageError(
            f"One image plane has the shape (height, width) or (height, width, channels), not "
            f"{shape}: pick a plane with plane_of."
        )
    if min(shape) < 1:
        raise ImageError(f"The image has no pixels: its shape is {shape}.")
    if len(shape) == 3 and shape[0] <= FEW_CHANNELS and shape[2] > MANY_CHANNELS:
        raise ImageError(
            f"Channels come last, and {shape} has {shape[2]} of them: "
            "use numpy.moveaxis(image, 0, -1) when its first axis holds the channels."
        )


def _decide_rgb(rgb: bool | None, channels: int, dtype: np.dtype[Any]) -> bool:
    if rgb is None:
        return channels in (3, 4) and dtype == np.uint8
    if rgb and channels not in (3, 4):
        raise ImageError(f"An RGB image has three or four channels, not {channels}.")
    return rgb


class _Plane(VirtualArray):
    """An array with some axes fixed and the channel axis, if any, moved to the end.

    Each read loads only what it asks for.
    """

    def __init__(
        self, array: LazyArray, index: tuple[int | slice, ...], order: tuple[int, ...]
    ) -> None:
        super().__init__((array.shape[axis] for axis in order), array.dtype)
        self._array, self._index, self._order = array, index, order

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        full = list(self._index)
        for axis, places in zip(self._order, wanted, strict=True):
            full[axis] = as_slice(places)
        kept = sorted(self._order)
        pixels = np.asarray(self._array[tuple(full)])
        return pixels.transpose([kept.index(axis) for axis in self._order])


@overload
def plane_of(
    array: LazyArray, index: Sequence[int | slice], *, channel_axis: int | None = None
) -> LazyArray: ...


@overload
def plane_of(
    array: Sequence[LazyArray], index: Sequence[int | slice], *, channel_axis: int | None = None
) -> list[LazyArray]: ...


def plane_of(
    array: Any, index: Sequence[int | slice], *, channel_axis: int | None = None
) -> LazyArray | list[LazyArray]:
    """One plane of a stack, still lazy, for `as_source`.

    array: numpy, dask, zarr ..., or a list of pyramid levels (a list is returned, without
    overviews; an axis that is smaller in a coarser level is indexed in proportion). index: for
    each axis from the first on, an integer to fix it or slice(None) to keep it; axes not named are
    kept. channel_axis: the kept axis, counted in `array`, that becomes the last one. Raises
    IndexError outside the stack.
    """
    if isinstance(array, Sequence):
        levels = exact_levels(array)
        return [_plane(level, levels[0], index, channel_axis=channel_axis) for level in levels]
    (exact,) = exact_levels([array])
    return _plane(exact, exact, index, channel_axis=channel_axis)


def _plane(
    array: LazyArray,
    finest: LazyArray,
    index: Sequence[int | slice],
    *,
    channel_axis: int | None,
) -> LazyArray:
    ndim = len(array.shape)
    if len(index) > ndim:
        raise IndexError(f"{len(index)} indices for an image of {ndim} axes.")
    full: list[int | slice] = [*index, *[slice(None)] * (ndim - len(index))]
    for axis, value in enumerate(full):
        if isinstance(value, slice):
            continue
        size, length = int(finest.shape[axis]), int(array.shape[axis])
        if not -size <= value < size:
            raise IndexError(f"Plane {value} of axis {axis} is outside 0..{size - 1}.")
        full[axis] = int(value) % size * length // size
    kept = [axis for axis, value in enumerate(full) if isinstance(value, slice)]
    if channel_axis is not None:
        last = channel_axis % ndim
        if last not in kept:
            raise IndexError(f"The channel axis {channel_axis} is fixed by the index.")
        kept = [axis for axis in kept if axis != last] + [last]
    return _Plane(array, tuple(full), tuple(kept))


def as_source(image: Any, *, rgb: bool | None = None, nodata: float | None = None) -> ImageSource:
    """An ImageSource for whatever holds one image plane, without loading it.

    image: an ImageSource (returned as it is), a numpy / dask / zarr / HDF5 array (H, W) or
    (H, W, C), or a list of such pyramid levels (napari's MultiScaleData is one). rgb, nodata: see
    PyramidSource. Raises ImageError for anything else.
    """
    if isinstance(image, ImageSource):
        return image
    if isinstance(image, (str, bytes, os.PathLike)):
        raise ImageError(
            f"{image!r} is a path: open it with napari_pisam.images.files.open_source."
        )
    if isinstance(image, Sequence) and len(image) and isinstance(image[0], LazyArray):
        return PyramidSource(image, rgb=rgb, nodata=nodata)
    known = isinstance(image, LazyArray) and isinstance(image.dtype, (np.dtype, type))
    return PyramidSource((image if known else _as_array(image),), rgb=rgb, nodata=nodata)


def _as_array(image: Any) -> NDArray[Any]:
    try:
        return np.asarray(image)
    except (TypeError, ValueError, RuntimeError):
        raise ImageError(f"A {type(image).__name__} is no image: give an array.") from None


def best_level(source: ImageSource, scale: float) -> int:
    """The coarsest level that still has at least the wanted resolution.

    scale: pixels of level 0 per wanted pixel (below 1 for enlarging). Level 0 when none is as
    fine.
    """
    fitting = [i for i, f in enumerate(source.levels) if f <= scale * SCALE_SLACK]
    return max(fitting, default=0)
