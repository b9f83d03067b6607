"""The plane on the state, and which requests to the model are still open."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from napari_pisam.geometry import Window
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Click
from napari_pisam.session.history import ActiveObject, History
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import ImagePlane


@dataclass(frozen=True, slots=True, eq=False)
class Finishing:
    """An object that was kept before its mask had come: the step, and the labels it goes to."""

    step_id: int
    store: LabelStore


@dataclass(slots=True, eq=False)
class PlaneState:
    """One plane that is or was worked on: its active object and its history.

    pending: the id of the active object's newest request. finishing: what is kept once the
    request of that id has its result.
    """

    plane: ImagePlane
    active_object: ActiveObject
    history: History = field(default_factory=History)
    pending: int = 0
    finishing: dict[int, Finishing] = field(default_factory=dict)


class OpenRequests:
    """The open requests: made, without a result yet, still wanted."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._wanted: dict[int, tuple[PlaneState, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._wanted

    def of(self, state: PlaneState) -> SegmentRequest:
        """The request for a state's active object; it replaces an open one of the same object."""
        self.close(state)
        active = state.active_object
        request = SegmentRequest(
            id=next(self._ids),
            source=state.plane.source,
            source_key=state.plane.cache_key,
            intensity=state.plane.intensity,
            channels=state.plane.channels,
            prompt=active.prompt,
            window=window_to_keep(active),
            object_size=active.object_size,
        )
        state.pending = request.id
        self._wanted[request.id] = (state, active.id)
        return request

    def take(self, request_id: int) -> tuple[PlaneState, int] | None:
        """Close a request that has its result: its state and the active object's id, if wanted."""
        return self._wanted.pop(request_id, None)

    def close(self, state: PlaneState) -> None:
        """Nobody wants the active object's request any more."""
        self._wanted.pop(state.pending, None)
        state.pending = 0

    def close_finishing(self, state: PlaneState, step_id: int) -> None:
        """Nobody wants the result that a keep was waiting for."""
        for request_id in [i for i, f in state.finishing.items() if f.step_id == step_id]:
            del state.finishing[request_id]
            self._wanted.pop(request_id, None)


def window_to_keep(active: ActiveObject) -> Window | None:
    """The window of the last result while only corrections inside it differ, else None.

    The window so depends on the prompt alone, never on the way by which it was reached.
    """
    result, prompt = active.result, active.prompt
    if result is None:
        return None
    known = result.prompt
    if (known.points, known.box, known.mask) != (prompt.points, prompt.box, prompt.mask):
        return None
    if not all(result.window.contains(click) for click in prompt.corrections):
        return None
    return result.window


def signed_by_mask(active: ActiveObject, corrections: tuple[Click, ...]) -> tuple[Click, ...]:
    """The corrections, the last one with its sign where the mask before it is at hand."""
    result = active.result
    if result is None or not corrections or corrections[-1].positive is not None:
        return corrections
    *before, last = corrections
    if replace(active.prompt, corrections=tuple(before)) != result.prompt:
        return corrections
    return (*before, Click(last.y, last.x, not result.covers(last)))
