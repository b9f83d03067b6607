"""Where kept objects are written: what a labels layer and a plain array have in common."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.session.plane import ImagePlane, PlaneIndex


class LabelStoreError(ValueError):
    """Labels that cannot take an object; its message is one sentence for the user."""


class LabelStore(Protocol):
    """Labels of an image, read and written a rectangle at a time."""

    @property
    def key(self) -> str:
        """A name that stays with these labels as long as they are open."""
        ...

    @property
    def largest_value(self) -> int:
        """The largest label that fits its dtype."""
        ...

    def next_label(self) -> int:
        """A label that no pixel has and that was never given out before."""
        ...

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        """Labels of a rectangle that lies in the plane: (h, w), a copy."""
        ...

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        """Set the labels of that rectangle; raises LabelStoreError when it cannot."""
        ...


class LabelStores(Protocol):
    """Knows which labels are to be written at the moment."""

    def current(self, plane: ImagePlane) -> LabelStore:
        """The labels to keep objects of that plane in, made when there are none yet.

        Raises LabelStoreError when the chosen labels do not fit the image.
        """
        ...


class ArrayLabelStore:
    """Labels in one numpy array, for scripts and tests.

    labels: integers, of the image's shape without channels; written in place.
    """

    def __init__(self, labels: NDArray[Any], *, key: str = "array") -> None:
        self.labels = labels
        self._key = key
        self._last_given = 0

    @property
    def key(self) -> str:
        """See LabelStore."""
        return self._key

    @property
    def largest_value(self) -> int:
        """See LabelStore."""
        return int(np.iinfo(self.labels.dtype).max)

    def next_label(self) -> int:
        """See LabelStore."""
        self._last_given = max(self._last_given, int(self.labels.max(initial=0))) + 1
        return self._last_given

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        """See LabelStore."""
        return self.labels[where(index, window)].copy()

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        """See LabelStore."""
        self.labels[where(index, window)] = values

    def current(self, plane: ImagePlane) -> LabelStore:
        """Itself: an ArrayLabelStore is the LabelStores of a script."""
        return self


def where(index: PlaneIndex, window: Window) -> tuple[int | slice, ...]:
    """The index of a rectangle of a plane in the whole array."""
    sides = iter(
        (slice(window.y, window.y + window.height), slice(window.x, window.x + window.width))
    )
    return tuple(next(sides) if position is None else position for position in index)
