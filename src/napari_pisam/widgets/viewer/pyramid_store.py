"""Labels of images that are too large for one texture: written at every level of a pyramid.

napari edits no pyramid itself: brush and eraser stay grey for such a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.label_arrays import LayeredLabels
from napari_pisam.session.label_store import LabelStoreError, where
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.napari_compat import show_written_levels

if TYPE_CHECKING:
    from napari.layers import Labels


def layered_of(layer: Labels) -> LayeredLabels | None:
    """The labels of a layer that is such a pyramid, else None."""
    finest = layer.data[0] if layer.multiscale else None
    return finest if isinstance(finest, LayeredLabels) else None


class PyramidLabelStore:
    """A layer of `LayeredLabels`, read and written a rectangle at a time; see LabelStore."""

    def __init__(self, layer: Labels, labels: LayeredLabels, key: str) -> None:
        self.layer, self._labels = layer, labels
        self._key = key
        self.close: Callable[[], None] = lambda: None

    @property
    def key(self) -> str:
        """See LabelStore."""
        return self._key

    @property
    def largest_value(self) -> int:
        """See LabelStore."""
        return int(np.iinfo(self._labels.dtype).max)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever written."""
        return self._labels.highest == 0

    def next_label(self) -> int:
        """See LabelStore."""
        self._labels.highest += 1
        return self._labels.highest

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        """See LabelStore."""
        found = self._labels[where(index, window)]
        if found.shape != (window.height, window.width):
            raise LabelStoreError(
                f"The labels layer “{self.layer.name}” is smaller than the image."
            )
        return found

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        """See LabelStore."""
        if np.array_equal(self.read(index, window), values):
            return
        self._labels[where(index, window)] = values
        show_written_levels(self.layer, self._labels.levels)
