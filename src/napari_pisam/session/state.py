"""What a session shows of its work, for a window to read and to be notified of."""

from __future__ import annotations

from psygnal import Signal

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.objects import ObjectEdit, ObjectRegistry, typical_of
from napari_pisam.session.options import Options
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.plane_state import PlaneState
from napari_pisam.session.requests import OpenRequests


class SessionState:
    """Evented state: the active object of each plane, the kept objects, what can be undone.

    Only the commands of `Session` change it; `options` alone is set from outside.

    Signals: requested(SegmentRequest), for the worker; changed(), what is shown is another;
    written(ObjectEdit), labels and list of objects have changed; message(level, sentence), with
    the levels "info" and "error".
    """

    requested = Signal(SegmentRequest)
    changed = Signal()
    written = Signal(ObjectEdit)
    message = Signal(str, str)

    def __init__(self) -> None:
        self._states: dict[PlaneKey, PlaneState] = {}
        self._state: PlaneState | None = None
        self._requests = OpenRequests(self.requested.emit)
        self.registry = ObjectRegistry()
        self.options = Options()

    @property
    def plane(self) -> ImagePlane | None:
        """The plane that is worked on."""
        return self._state.plane if self._state else None

    @property
    def active_object(self) -> ActiveObject | None:
        """The object that is being made on that plane."""
        return self._state.active_object if self._state else None

    @property
    def plane_states(self) -> tuple[PlaneState, ...]:
        """Every plane that was worked on."""
        return tuple(self._states.values())

    @property
    def busy(self) -> bool:
        """Whether a request is open, on any plane."""
        return bool(self._requests)

    @property
    def waiting(self) -> bool:
        """Whether the active object's newest mask is still to come."""
        return self._state is not None and self._state.request_id in self._requests

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo on this plane."""
        return bool(self._state and self._state.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo on this plane."""
        return bool(self._state and self._state.history.undone)

    def is_wanted(self, request_id: int) -> bool:
        """Whether that request is still open (any thread may call this)."""
        return request_id in self._requests

    @property
    def typical_size(self) -> float | None:
        """The size that the next object's window is chosen by, image pixels; None when unknown."""
        if self.options.object_size is not None or self._state is None:
            return self.options.object_size
        image = self._state.plane.key.image
        return typical_of([o.mask.span for o in self.registry.everywhere() if o.image == image])
