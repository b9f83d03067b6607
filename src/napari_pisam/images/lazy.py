"""What every array that is read piece by piece has in common."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Places = tuple[range, ...]
"""The indices that are wanted of each axis."""


@runtime_checkable
class LazyArray(Protocol):
    """What numpy, dask, zarr and HDF5 arrays have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes."""

    @property
    def dtype(self) -> Any:
        """What its elements are."""

    def __getitem__(self, key: Any, /) -> Any: ...


def index_parts(key: Any, ndim: int) -> list[int | slice]:
    """One integer or slice per axis for a key of integers, slices and an ellipsis.

    Raises IndexError for a key of too many parts.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    missing = ndim - sum(part is not Ellipsis for part in parts)
    where = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    if where is None:
        where = len(parts)
        parts.append(Ellipsis)
    parts[where : where + 1] = [slice(None)] * missing
    if missing < 0 or len(parts) != ndim:
        raise IndexError(f"{key} is no index for an image of {ndim} axes.")
    return [part if isinstance(part, slice) else operator.index(part) for part in parts]


def places_of(key: Any, shape: tuple[int, ...]) -> tuple[Places, tuple[int | slice, ...]]:
    """The places of each axis that a key names, and what drops the axes that it fixes.

    Raises IndexError outside the array.
    """
    parts = index_parts(key, len(shape))
    found = []
    for part, length in zip(parts, shape, strict=True):
        places = range(length)[part]
        found.append(places if isinstance(places, range) else range(places, places + 1))
    return tuple(found), tuple(slice(None) if isinstance(part, slice) else 0 for part in parts)


def as_slice(places: range) -> slice:
    """The slice that picks those places from an axis."""
    # One that runs past the beginning would count from the end.
    return slice(places.start, places.stop if places.stop >= 0 else None, places.step)


def slices_of(wanted: Places) -> tuple[slice, ...]:
    """The key that reads those places of each axis."""
    return tuple(as_slice(places) for places in wanted)


class VirtualArray(ABC):
    """An array whose elements are read or computed when they are asked for; it slices like numpy's.

    shape: of any length from one on. dtype: numpy's, or what the array behind it calls its own.
    Keys are integers, slices and an ellipsis; IndexError for others and outside the array. What is
    read may be a view: do not write to it.
    """

    def __init__(self, shape: Iterable[int], dtype: Any) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @abstractmethod
    def _read_places(self, wanted: Places) -> NDArray[Any]:
        """The elements at some places of each axis, as many axes as the array has."""

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, kept = places_of(key, self.shape)
        return self._read_places(wanted)[kept]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(
                f"A {type(self).__name__} is read when it is asked for, so that there is nothing "
                "to share without a copy."
            )
        pixels = self[...]
        return np.array(pixels, dtype) if copy else np.asarray(pixels, dtype)

    def __len__(self) -> int:
        return self.shape[0]


class DisplayArray(VirtualArray):
    """An array that is there to be looked at; results are computed from another one.

    exact: that other array, as the file has it; None for a level that the file does not have.
    """

    @property
    @abstractmethod
    def exact(self) -> LazyArray | None:
        """What results are computed from in its place, if anything."""


def exact_levels(levels: Iterable[LazyArray]) -> list[LazyArray]:
    """The levels as the file has them, without what is only there to be looked at."""
    exact = (level.exact if isinstance(level, DisplayArray) else level for level in levels)
    return [level for level in exact if level is not None]
