"""The plane on the state, and which questions to the model are still open."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from napari_pisam.geometry import Window
from napari_pisam.prompts import Click
from napari_pisam.session.history import ActiveObject, History
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import Ask, ImagePlane


@dataclass(frozen=True, slots=True, eq=False)
class Finishing:
    """An object that was kept before its mask had come: the step, and the labels it goes to."""

    step_id: int
    store: LabelStore


@dataclass(slots=True, eq=False)
class PlaneState:
    """One plane that is or was worked on: its active object and its history.

    pending: the id of the active object's newest question. finishing: what is kept once the
    question of that id is answered.
    """

    plane: ImagePlane
    active_object: ActiveObject
    history: History = field(default_factory=History)
    pending: int = 0
    finishing: dict[int, Finishing] = field(default_factory=dict)


class OpenRequests:
    """The open questions: asked, not yet answered, still wanted."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._wanted: dict[int, tuple[PlaneState, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def __contains__(self, ask_id: object) -> bool:
        return ask_id in self._wanted

    def of(self, state: PlaneState) -> Ask:
        """The question for a state's active object; it replaces an open one of the same object."""
        self.close(state)
        active = state.active_object
        ask = Ask(
            id=next(self._ids),
            plane=state.plane,
            prompt=active.prompt,
            window=window_to_keep(active),
            object_size=active.object_size,
        )
        state.pending = ask.id
        self._wanted[ask.id] = (state, active.id)
        return ask

    def take(self, ask_id: int) -> tuple[PlaneState, int] | None:
        """Close a question that is answered: its state and the active object's id, if wanted."""
        return self._wanted.pop(ask_id, None)

    def close(self, state: PlaneState) -> None:
        """Nobody wants the active object's question any more."""
        self._wanted.pop(state.pending, None)
        state.pending = 0

    def close_finishing(self, state: PlaneState, step_id: int) -> None:
        """Nobody wants the answer that a keep was waiting for."""
        for ask_id in [a for a, f in state.finishing.items() if f.step_id == step_id]:
            del state.finishing[ask_id]
            self._wanted.pop(ask_id, None)


def window_to_keep(active: ActiveObject) -> Window | None:
    """The window of the last answer while only corrections inside it differ, else None.

    The window so depends on the prompt alone, never on the way by which it was reached.
    """
    answer, prompt = active.answer, active.prompt
    if answer is None:
        return None
    asked = answer.prompt
    if (asked.points, asked.box, asked.mask) != (prompt.points, prompt.box, prompt.mask):
        return None
    if not all(answer.window.contains(click) for click in prompt.corrections):
        return None
    return answer.window


def signed_by_mask(active: ActiveObject, corrections: tuple[Click, ...]) -> tuple[Click, ...]:
    """The corrections, the last one with its sign where the mask before it is at hand."""
    answer = active.answer
    if answer is None or not corrections or corrections[-1].positive is not None:
        return corrections
    *before, last = corrections
    if replace(active.prompt, corrections=tuple(before)) != answer.prompt:
        return corrections
    return (*before, Click(last.y, last.x, not answer.covers(last)))
