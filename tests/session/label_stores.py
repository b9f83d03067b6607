"""Labels that refuse, as those of a layer do whose file or array has changed."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.session.label_store import ArrayLabelStore, LabelStoreError
from napari_pisam.session.plane import PlaneIndex


class RefusingStore(ArrayLabelStore):
    """Labels in an array, of which one plane refuses to be written, or none can be read any more.

    refused: that plane. reads_left: how often the labels can still be read, None for ever.
    """

    refused: PlaneIndex | None = None
    reads_left: int | None = None

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        if self.reads_left is not None:
            if not self.reads_left:
                raise LabelStoreError("The labels cannot be read.")
            self.reads_left -= 1
        return super().read(index, window)

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        if index == self.refused:
            raise LabelStoreError("The plane refuses.")
        super().write(index, window, values)
