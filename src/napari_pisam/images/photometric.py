"""Stored values into what is seen: colour tables, inverted gray, YCbCr, CMYK, alpha, orientation.

Viewer, command and scripts open files through `seen`, so that what a layer shows and what the model
is given are the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.alpha import over_black, rounded, top_of
from napari_pisam.images.file_image import FileChannel, FileImage
from napari_pisam.images.lazy import LazyArray, Places, VirtualArray, slices_of

# For each orientation tag of TIFF and EXIF: whether rows and columns change places, and whether
# rows and columns are then counted from the far end.
TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# Red, green and blue in luma: ITU-R BT.601, the default of TIFF.
LUMA = (0.299, 0.587, 0.114)
# What YCbCr of 8 bits has for black and white, and for no and full colour: TIFF's default.
FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)


class Ink(Enum):
    """What stored values stand for."""

    GRAY = "gray"
    INVERTED = "inverted gray"
    PALETTE = "places in a colour table"
    RGB = "red, green, blue"
    YCBCR = "luma and two colour differences"
    CMYK = "cyan, magenta, yellow, black"


class Alpha(Enum):
    """What the samples behind the colours are."""

    NONE = "nothing that is shown"
    STRAIGHT = "how much of the colour is seen"
    PREMULTIPLIED = "the same, and the colours are multiplied by it already"


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """How a file stores its pixels.

    bits: of a sample. table: (n, 3) uint8, of a palette. luma, limits: YCbCr coefficients and the
    pairs of reference values of its samples. orientation: 1 to 8, as in TIFF and EXIF.
    """

    ink: Ink = Ink.GRAY
    bits: int = 8
    alpha: Alpha = Alpha.NONE
    table: NDArray[np.uint8] | None = None
    luma: tuple[float, ...] = LUMA
    limits: tuple[float, ...] = FULL_RANGE
    orientation: int = 1


def seen(image: FileImage, stored: Stored) -> FileImage:
    """The image as it is seen: gray or RGB, the right way up; nothing is read.

    Its `stored` has the numbers of a palette or of inverted gray, for label images. Labels with
    our mark stay numbers.
    """
    image = turned(image, stored.orientation)
    if image.labels:
        return image
    if stored.ink is Ink.PALETTE and stored.table is not None:
        return _coloured(image, stored.table)
    if stored.ink is Ink.INVERTED:
        image = _inverted(image, stored.bits)
    if "s" not in image.axes:
        return image
    axis = image.axes.index("s")
    count, dtype = int(image.levels[0].shape[axis]), np.dtype(image.levels[0].dtype)
    if stored.ink in (Ink.GRAY, Ink.INVERTED):
        return _gray_of_two(image, stored.alpha)
    convert = _colours(stored, count, dtype)
    if convert is None:
        return image
    deeper = 8 if stored.bits < 8 and dtype.kind == "u" else 0
    levels = tuple(Converted(a, convert, axis=axis, samples=3) for a in image.levels)
    return replace(image, levels=levels, nodata=None if deeper else image.nodata)


def _colours(
    stored: Stored, count: int, dtype: np.dtype[Any]
) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """From all stored samples, last axis, to red, green, blue; None where they are that already."""
    steps: list[Callable[[NDArray[Any]], NDArray[Any]]] = []
    top = top_of(dtype, stored.bits)
    whole = top_of(dtype)
    inks = 4 if stored.ink is Ink.CMYK else 3
    if stored.ink is Ink.YCBCR:
        steps.append(partial(_from_ycbcr, luma=stored.luma, limits=stored.limits, top=top))
    elif stored.ink is Ink.CMYK:
        steps.append(partial(_from_cmyk, top=top))
    if count > inks and stored.alpha is Alpha.STRAIGHT:
        steps.append(partial(over_black, top=top))
    elif count > inks:
        steps.append(_first_three)
    if stored.bits < 8 and dtype.kind == "u":
        steps.append(partial(_scaled, factor=whole / top))
    return partial(_one_after_another, steps=tuple(steps)) if steps else None


def _one_after_another(
    pixels: NDArray[Any], *, steps: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...]
) -> NDArray[Any]:
    for step in steps:
        pixels = step(pixels)
    return pixels


def _first_three(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[..., :3]


def _scaled(pixels: NDArray[Any], *, factor: float) -> NDArray[Any]:
    return rounded(pixels * factor, pixels.dtype)


def _from_cmyk(pixels: NDArray[Any], *, top: float) -> NDArray[Any]:
    """Red, green, blue of inks on white paper; samples behind the four inks stay."""
    paper = top - pixels[..., :4].astype(np.float64)
    colours = paper[..., :3] * paper[..., 3:] / top
    rgb = rounded(colours, pixels.dtype)
    return np.concatenate([rgb, pixels[..., 4:]], axis=-1) if pixels.shape[-1] > 4 else rgb


def _from_ycbcr(
    pixels: NDArray[Any], *, luma: tuple[float, ...], limits: tuple[float, ...], top: float
) -> NDArray[Any]:
    """Red, green, blue of luma and colour differences; samples behind the three stay."""
    zero, full = np.array(limits[::2]), np.array(limits[1::2])
    spans = np.array((top, top // 2, top // 2))
    y, cb, cr = np.moveaxis((pixels[..., :3] - zero) * (spans / (full - zero)), -1, 0)
    red_part, green_part, blue_part = luma
    red = y + cr * (2 - 2 * red_part)
    blue = y + cb * (2 - 2 * blue_part)
    green = (y - blue_part * blue - red_part * red) / green_part
    rgb = rounded(np.clip(np.stack([red, green, blue], axis=-1), 0, top), pixels.dtype)
    return np.concatenate([rgb, pixels[..., 3:]], axis=-1) if pixels.shape[-1] > 3 else rgb


def _gray_of_two(image: FileImage, alpha: Alpha) -> FileImage:
    """Gray with alpha as gray; the numbers without regard to alpha are its `stored`."""
    axis = image.axes.index("s")
    convert = over_black if alpha is Alpha.STRAIGHT else _all_but_the_last
    gray, numbers = (_one_sample(image, axis, how) for how in (convert, _all_but_the_last))
    return replace(gray, stored=image.stored or numbers)


def _all_but_the_last(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[..., :-1]


def _one_sample(
    image: FileImage, axis: int, convert: Callable[[NDArray[Any]], NDArray[Any]]
) -> FileImage:
    levels = tuple(Converted(a, convert, axis=axis, samples=0) for a in image.levels)
    kept = [i for i in range(len(image.axes)) if i != axis]
    return replace(
        image,
        levels=levels,
        axes="".join(image.axes[i] for i in kept),
        scale=tuple(image.scale[i] for i in kept),
        translate=tuple(image.translate[i] for i in kept),
        units=tuple(image.units[i] for i in kept),
    )


def _coloured(image: FileImage, table: NDArray[np.uint8]) -> FileImage:
    """Places in a table as its colours, or as gray where the table has nothing else."""
    gray = bool((table == table[:, :1]).all())
    colours = np.ascontiguousarray(table[:, 0] if gray else table)
    convert = partial(_looked_up, table=colours)
    levels = tuple(
        Converted(a, convert, axis=None, samples=0 if gray else 3, dtype=np.uint8)
        for a in image.levels
    )
    if gray:
        channels = tuple(replace(c, lut=None, limits=None) for c in image.channels)
        return replace(image, levels=levels, channels=channels, stored=image, nodata=None)
    return replace(
        image,
        levels=levels,
        axes=image.axes + "s",
        scale=(*image.scale, 1.0),
        translate=(*image.translate, 0.0),
        units=(*image.units, "pixel"),
        channels=(FileChannel(),),
        stored=image,
        nodata=None,
    )


def _looked_up(pixels: NDArray[Any], *, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Numbers beyond the table have its last colour.
    return np.asarray(table[np.minimum(pixels.astype(np.int64), len(table) - 1)])


def _inverted(image: FileImage, bits: int) -> FileImage:
    """Gray whose zero is white, with zero black; what its channels say of values follows."""
    dtype = np.dtype(image.levels[0].dtype)
    if dtype.kind not in "bufi":
        return image
    axis = image.axes.index("s") if "s" in image.axes else None
    convert = partial(_turned_over, top=top_of(dtype, bits))
    samples = 0 if axis is None else int(image.levels[0].shape[axis])
    levels = tuple(Converted(a, convert, axis=axis, samples=samples) for a in image.levels)
    top = _turned_over(np.zeros(1, dtype), top=top_of(dtype, bits))[0]
    channels = tuple(
        replace(c, limits=(float(top) - c.limits[1], float(top) - c.limits[0])) if c.limits else c
        for c in image.channels
    )
    nodata = None if image.nodata is None else float(top) - image.nodata
    return replace(image, levels=levels, channels=channels, nodata=nodata, stored=image)


def _turned_over(pixels: NDArray[Any], *, top: float) -> NDArray[Any]:
    if pixels.dtype.kind == "f":
        return -pixels
    if pixels.dtype.kind in "bi":
        return np.asarray(~pixels)
    return np.asarray(pixels.dtype.type(top) - pixels)


class Converted(VirtualArray):
    """An array whose samples are computed from the stored ones as they are read.

    convert: from stored samples, moved to the last axis, to the new ones, last axis too; of an
    array without samples from (...) to (...), or to (..., samples). axis: which axis of the array
    holds samples; they stay there, and where it has none they come last. samples: how many come
    out; 0 for none, without an axis.
    """

    def __init__(
        self,
        array: LazyArray,
        convert: Callable[[NDArray[Any]], NDArray[Any]],
        *,
        axis: int | None,
        samples: int,
        dtype: Any = None,
    ) -> None:
        shape = [int(n) for n in array.shape]
        if axis is not None:
            del shape[axis]
        self._place = None
        if samples:
            self._place = len(shape) if axis is None else axis
            shape.insert(self._place, samples)
        super().__init__(shape, np.dtype(array.dtype if dtype is None else dtype))
        self._array, self._convert, self._axis = array, convert, axis

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        inner = [w for i, w in enumerate(wanted) if i != self._place]
        if self._axis is not None:
            inner.insert(self._axis, range(int(self._array.shape[self._axis])))
        pixels = np.asarray(self._array[slices_of(tuple(inner))])
        if self._axis is not None:
            pixels = np.moveaxis(pixels, self._axis, -1)
        found = self._convert(pixels)
        if self._place is None:
            return found[..., 0] if self._axis is not None else found
        places = wanted[self._place]
        return np.moveaxis(found[..., slices_of((places,))[0]], -1, self._place)


def turned(image: FileImage, orientation: int) -> FileImage:
    """The image the right way up; the size of a pixel goes with its rows and columns."""
    if orientation not in TURNS:
        return image
    rows, columns = image.axes.index("y"), image.axes.index("x")
    levels = tuple(Turned(a, orientation, plane=(rows, columns)) for a in image.levels)
    order = list(range(len(image.axes)))
    if TURNS[orientation][0]:
        order[rows], order[columns] = columns, rows
    return replace(
        image,
        levels=levels,
        scale=tuple(image.scale[i] for i in order),
        translate=tuple(image.translate[i] for i in order),
        units=tuple(image.units[i] for i in order),
    )


class Turned(VirtualArray):
    """An array with rows and columns turned or mirrored.

    orientation: 2 to 8, what the tag of the file says. plane: which axes are rows and columns.
    """

    def __init__(self, array: LazyArray, orientation: int, *, plane: tuple[int, int]) -> None:
        self._swap, *far = TURNS[orientation]
        self._array, self._plane = array, plane
        self._far = dict(zip(plane, far, strict=True))
        shape = [int(n) for n in array.shape]
        rows, columns = plane
        if self._swap:
            shape[rows], shape[columns] = shape[columns], shape[rows]
        super().__init__(shape, np.dtype(array.dtype))

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        inner, flips = list(wanted), []
        for axis in self._plane:
            places = wanted[axis]
            if self._far[axis]:
                last = self.shape[axis] - 1
                places = range(last - places.start, last - places.stop, -places.step)
            # Formats read upwards only.
            if places.step < 0:
                places = places[::-1]
                flips.append(axis)
            inner[axis] = places
        rows, columns = self._plane
        if self._swap:
            inner[rows], inner[columns] = inner[columns], inner[rows]
        pixels = np.asarray(self._array[slices_of(tuple(inner))])
        return np.flip(pixels.swapaxes(rows, columns) if self._swap else pixels, flips)
