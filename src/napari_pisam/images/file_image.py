"""An image in a file: its levels, still on disk, and its metadata."""

from __future__ import annotations

import struct
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_pisam.images.lazy import LazyArray, Places, VirtualArray, slices_of
from napari_pisam.images.source import ImageError, PyramidSource, Reopenable, plane_of

# What the format libraries raise on files that are cut off, corrupt or not what they claim.
READ_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    EOFError,
    struct.error,
    zlib.error,
)
PLANAR = frozenset("yxcs")
# In the description of a TIFF whose pixels are object numbers.
LABELS_MARK = "napari-pisam labels"


class Describe(Protocol):
    """Where a plane of an image, or one channel of it, is found again."""

    def __call__(self, plane: Mapping[str, int], *, channel: int | None) -> Reopenable: ...


@dataclass(frozen=True, eq=False)
class FileChannel:
    """The metadata of one channel.

    color: red, green, blue in 0..1. lut: (n, 3) in 0..1, black to white, for a channel that has a
    table instead. limits: the contrast it was last shown with, in pixel values.
    """

    name: str | None = None
    color: tuple[float, float, float] | None = None
    lut: NDArray[np.float64] | None = None
    limits: tuple[float, float] | None = None
    visible: bool = True


@dataclass(frozen=True, eq=False)
class FileImage:
    """One image of a file, nothing of it loaded.

    levels: lazy arrays, finest first. axes: a letter for each of their axes, such as "tczyx" or
    "yxs" (s: the samples of RGB); axes of one element are left out. scale, translate: for each
    axis, of level 0, in `units` ("micrometer", "second", "pixel" ...; 1, 0 and "pixel" when the
    file does not say). channels: one for each element of axis c, or one. labels: whether the
    pixels are object numbers; label_colors: red, green, blue, alpha in 0..1 of some of them;
    label_properties: named properties of some of them. describe: where a plane of it is
    found again; None for an image that no file holds. nodata: the value of pixels that were not
    measured. stored: the same image with the file's numbers, where the pixels are others (colours
    of a palette, inverted gray): what a label image is read from.
    """

    name: str
    levels: tuple[LazyArray, ...]
    axes: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    channels: tuple[FileChannel, ...] = (FileChannel(),)
    labels: bool = False
    label_colors: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    label_properties: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    describe: Describe | None = None
    nodata: float | None = None
    stored: FileImage | None = None

    @property
    def rgb(self) -> bool:
        """Whether it has samples: red, green, blue and perhaps alpha."""
        return "s" in self.axes

    @property
    def stack(self) -> dict[str, int]:
        """The axes that are neither rows, columns nor colours, and their lengths."""
        sizes = zip(self.axes, self.levels[0].shape, strict=True)
        planar = "yxs" if self.rgb else PLANAR
        return {axis: int(n) for axis, n in sizes if axis not in planar}

    @property
    def channel_axis(self) -> int | None:
        """Which of its axes holds samples or channels; None for a gray image."""
        letter = "s" if self.rgb else "c"
        return self.axes.index(letter) if letter in self.axes else None

    def plane(
        self, index: Mapping[str, int] | None = None, *, channel: int | None = None
    ) -> PyramidSource:
        """One plane, as an ImageSource.

        index: for each axis of `stack`, its plane. channel: one of its channels, gray; None for all
        of them. Raises ImageError for a plane or channel that is missing or does not exist.
        """
        chosen = self._chosen(index)
        key: list[int | slice] = [chosen.get(axis, slice(None)) for axis in self.axes]
        axis = self.channel_axis
        if channel is not None:
            self._check_channel(channel)
            if axis is not None:
                key[axis], axis = channel, None
        return PyramidSource(
            plane_of(list(self.levels), key, channel_axis=axis),
            rgb=self.rgb and channel is None,
            nodata=self.nodata,
            spec=self.describe(chosen, channel=channel) if self.describe else None,
        )

    def _chosen(self, index: Mapping[str, int] | None) -> dict[str, int]:
        chosen = dict(index or {})
        if set(chosen) != set(self.stack):
            sizes = ", ".join(f"{axis} 0 to {n - 1}" for axis, n in self.stack.items())
            holds = f"is a stack ({sizes}): choose one plane of it" if sizes else "is one plane"
            raise ImageError(f"{self.name} {holds}.")
        for axis, plane in chosen.items():
            if not 0 <= plane < self.stack[axis]:
                raise ImageError(f"{self.name} has {axis} 0 to {self.stack[axis] - 1}, no {plane}.")
        return chosen

    def _check_channel(self, channel: int) -> None:
        axis = self.channel_axis
        # Alpha is no channel.
        count = 3 if self.rgb else 1 if axis is None else int(self.levels[0].shape[axis])
        if not 0 <= channel < count:
            raise ImageError(f"{self.name} has channels 0 to {count - 1}, no {channel}.")


class FileArray(VirtualArray):
    """An array of a file whose failures are ImageErrors that name the file.

    close: called once, when nothing refers to the array any more.
    """

    def __init__(
        self, array: LazyArray, name: str, close: Callable[[], object] | None = None
    ) -> None:
        # In the machine's byte order, whatever the file's is: graphics cards know no other.
        super().__init__(array.shape, np.dtype(array.dtype).newbyteorder("="))
        self._array, self._name = array, name
        if close is not None:
            weakref.finalize(self, close)

    def _read_places(self, wanted: Places) -> NDArray[Any]:
        try:
            return np.asarray(self._array[slices_of(wanted)], self.dtype)
        except READ_FAILURES as error:
            raise ImageError(
                f"A part of {self._name} cannot be read, so the file is damaged or cut off: copy "
                f"it again from where it came ({_first_line(error)})."
            ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:200]


def cannot_open(name: str, kind: str, error: Exception) -> ImageError:
    """The sentence for a file that does not open: what is wrong with it and what to do."""
    if isinstance(error, FileNotFoundError):
        return ImageError(f"{name} does not exist: check the path.")
    if isinstance(error, PermissionError):
        return ImageError(f"{name} may not be read: ask for permission to read it.")
    return ImageError(
        f"{name} does not open as {kind}, so it is damaged, cut off or of another format "
        f"({_first_line(error)})."
    )


def without_single_axes(image: FileImage) -> FileImage:
    """The same image without the axes (other than rows, columns, samples) of one element."""
    shape = image.levels[0].shape
    kept = [
        i for i, (a, n) in enumerate(zip(image.axes, shape, strict=True)) if a in "yxs" or n > 1
    ]
    if len(kept) == len(shape):
        return image
    index: list[int | slice] = [slice(None) if i in kept else 0 for i in range(len(shape))]
    return replace(
        image,
        levels=tuple(plane_of(list(image.levels), index)),
        axes="".join(image.axes[i] for i in kept),
        scale=tuple(image.scale[i] for i in kept),
        translate=tuple(image.translate[i] for i in kept),
        units=tuple(image.units[i] for i in kept),
    )
