"""Which requests to the model are open, and who waits for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.session.plane_state import PlaneState


@dataclass(frozen=True, slots=True, eq=False)
class Requester:
    """Who waits for the result of a request: an object that was active on a plane."""

    state: PlaneState
    object_id: int


class OpenRequests:
    """The open requests: made, without a result yet, still wanted.

    send: hands a new request to the worker.
    """

    def __init__(self, send: Callable[[SegmentRequest], None]) -> None:
        self._send = send
        self._ids = itertools.count(1)
        self._open: dict[int, Requester] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._open

    def send(self, state: PlaneState) -> None:
        """Request the mask of a plane's active object, in place of an open request of the same.

        An object whose prompt says nothing of where it is only gives up its open request.
        """
        self.cancel(state)
        active = state.active_object
        if active.prompt.empty:
            return
        state.request_id = next(self._ids)
        self._open[state.request_id] = Requester(state, active.id)
        self._send(
            SegmentRequest(
                id=state.request_id,
                source=state.plane.source,
                source_key=state.plane.cache_key,
                intensity=state.plane.intensity,
                channels=state.plane.channels,
                prompt=active.prompt,
                window=active.next_window,
                object_size=active.object_size,
            )
        )

    def close(self, request_id: int) -> Requester | None:
        """Close a request that has its result or has failed; None when nobody wants it any more."""
        return self._open.pop(request_id, None)

    def cancel(self, state: PlaneState) -> None:
        """Nobody wants the mask of the plane's active object any more."""
        self._open.pop(state.request_id, None)
        state.request_id = 0

    def cancel_keep(self, state: PlaneState, step_id: int) -> None:
        """Nobody wants the mask that a step was to keep."""
        for request_id in [r for r, k in state.pending_keeps.items() if k.step_id == step_id]:
            del state.pending_keeps[request_id]
            self._open.pop(request_id, None)
