"""Labels layers as the session writes them: only the object's own rectangle, undoable in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_pisam.geometry import Window
from napari_pisam.session.label_store import LabelStoreError, where
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.event_connections import connect
from napari_pisam.widgets.viewer.napari_compat import highest_painted

if TYPE_CHECKING:
    from napari.layers import Labels

# 16 bits are drawn by the graphics card as they are; wider labels are first mapped on the CPU.
NEW_LABELS_DTYPE = np.dtype(np.uint16)
SCAN_MAX_PIXELS = 2**24
REFUSALS = (TypeError, ValueError, NotImplementedError, OSError, IndexError)


class LayerLabelStore:
    """A labels layer, read and written a rectangle at a time; see LabelStore.

    Signals, for what others write: painted(strokes as napari's history has them); redrawn(), the
    layer is drawn anew, after its own undo for one.
    """

    painted = Signal(object)
    redrawn = Signal()

    def __init__(self, layer: Labels, key: str) -> None:
        self.layer = layer
        self._key = key
        # Whether the events of the layer are those of our own write: they are no hand edit.
        self._writing = False
        self._dab: tuple[Any, ...] = ()
        self._highest: int | None = None
        self._disconnect = connect(
            (layer.events.data, self._forget_highest),
            (layer.events.paint, self._painted),
            (layer.events.set_data, self._on_set_data),
            (layer.events.labels_update, self._on_drawn),
        )

    @property
    def key(self) -> str:
        """See LabelStore."""
        return self._key

    @property
    def largest_value(self) -> int:
        """See LabelStore."""
        dtype = np.dtype(self.layer.data.dtype)
        return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)

    @property
    def empty(self) -> bool:
        """Whether it holds no label."""
        return not np.any(self.layer.data)

    def close(self) -> None:
        """Listen to the layer no longer."""
        self._disconnect()

    def next_label(self) -> int:
        """See LabelStore; a large layer is looked through once, and its strokes are followed.

        A small one is looked through each time: scripts write into arrays without an event.
        """
        data = self.layer.data
        small = isinstance(data, np.ndarray) and data.size <= SCAN_MAX_PIXELS
        if small or self._highest is None:
            self._highest = max(self._highest or 0, highest_label(data))
        self._highest += 1
        return self._highest

    def read(self, index: PlaneIndex, window: Window) -> NDArray[Any]:
        """See LabelStore."""
        try:
            data = self.layer.data[0] if self.layer.multiscale else self.layer.data
            found = np.array(data[where(index, window)])
        except REFUSALS as error:
            raise LabelStoreError(refusal(self.layer, error)) from error
        if found.shape != (window.height, window.width):
            raise LabelStoreError(refusal(self.layer, "it does not reach as far as the image"))
        return found

    def write(self, index: PlaneIndex, window: Window, values: NDArray[Any]) -> None:
        """See LabelStore; napari's own undo holds the change too."""
        old = self.read(index, window)
        changed = old != values
        if not changed.any():
            return
        rows, cols = np.nonzero(changed)
        sides = iter((rows + window.y, cols + window.x))
        places = tuple(
            next(sides) if position is None else np.full(len(rows), position) for position in index
        )
        new = values[changed]
        value = int(new[0]) if (new == new[0]).all() else new.astype(self.layer.data.dtype)
        self._writing = True
        try:
            self.layer.data_setitem(places, value)
        except REFUSALS as error:
            # napari writes first and draws then, which fails for a layer that is not shown.
            if not np.array_equal(self.read(index, window), values):
                raise LabelStoreError(refusal(self.layer, error)) from error
            self.layer.refresh()
        finally:
            self._writing = False
        if self._highest is not None:
            self._highest = max(self._highest, int(new.max()))

    def _forget_highest(self, event: Any = None) -> None:
        self._highest = None

    def _painted(self, event: Any) -> None:
        """A brush, or another window that shows the layer too, has written labels."""
        if self._highest is not None:
            self._highest = max(self._highest, highest_painted(event.value))
        if not self._writing:
            self._dab = tuple(event.value)
            self.painted.emit(self._dab)

    def _on_drawn(self, event: Any = None) -> None:
        """napari announces a single dab before it writes it, and draws it then."""
        dab, self._dab = self._dab, ()
        if dab and not self._writing:
            self.painted.emit(dab)

    def _on_set_data(self, event: Any = None) -> None:
        if not self._writing:
            self.redrawn.emit()


def refusal(layer: Labels, error: object) -> str:
    """Why a labels layer cannot be written, in one sentence."""
    if layer.multiscale:
        return (
            f"The labels layer “{layer.name}” is a pyramid, which napari cannot edit: choose "
            "another layer, or a new one."
        )
    return (
        f"The labels layer “{layer.name}” cannot be written ({error}): choose another layer, "
        "or a new one."
    )


def highest_label(data: Any) -> int:
    """The largest label of a layer's data, looked through in pieces of bounded size."""
    shape = tuple(int(n) for n in data.shape)
    if not shape or not np.prod(shape):
        return 0
    if isinstance(data, np.ndarray) or np.prod(shape) <= SCAN_MAX_PIXELS:
        return int(np.asarray(data).max())
    rest = int(np.prod(shape[1:]))
    if rest > SCAN_MAX_PIXELS and len(shape) > 2:
        return max(highest_label(_Slice(data, i)) for i in range(shape[0]))
    step = max(1, SCAN_MAX_PIXELS // rest)
    return max(int(np.asarray(data[i : i + step]).max()) for i in range(0, shape[0], step))


class _Slice:
    """One position on the first axis of a lazy array, still lazy."""

    def __init__(self, data: Any, position: int) -> None:
        self._data, self._position = data, position
        self.shape = tuple(data.shape[1:])

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        return self._data[(self._position, *parts)]
