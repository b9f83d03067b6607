"""What every array that is read piece by piece has in common."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, Protocol

Places = tuple[range, ...]
"""The indices that are wanted of each axis."""


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


def exact_levels(levels: Iterable[LazyArray]) -> list[LazyArray]:
    """The levels as the file has them, without what is only there to be looked at.

    An attribute `made` tells a level that was made of finer ones, `exact` holds the array of which
    another one shows what it can.
    """
    stored = (level for level in levels if not getattr(level, "made", False))
    return [getattr(level, "exact", level) for level in stored]
