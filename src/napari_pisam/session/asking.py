"""The plane on the desk, and which questions to the model are still open."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from napari_pisam.geometry import Window
from napari_pisam.prompts import Click
from napari_pisam.session.canvas import LabelCanvas
from napari_pisam.session.history import History, Running
from napari_pisam.session.plane import Ask, ImagePlane


@dataclass(frozen=True, slots=True, eq=False)
class Finishing:
    """An object that was kept before its mask had come: the step, and the labels it goes to."""

    step_id: int
    canvas: LabelCanvas


@dataclass(slots=True, eq=False)
class Desk:
    """One plane that is or was worked on: its running object and its history.

    pending: the id of the running object's newest question. finishing: what is kept once the
    question of that id is answered.
    """

    plane: ImagePlane
    running: Running
    history: History = field(default_factory=History)
    pending: int = 0
    finishing: dict[int, Finishing] = field(default_factory=dict)


class Questions:
    """The open questions: asked, not yet answered, still wanted."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._wanted: dict[int, tuple[Desk, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def __contains__(self, ask_id: object) -> bool:
        return ask_id in self._wanted

    def of(self, desk: Desk) -> Ask:
        """The question for a desk's running object; it replaces an open one of the same object."""
        self.close(desk)
        running = desk.running
        ask = Ask(
            id=next(self._ids),
            plane=desk.plane,
            prompt=running.prompt,
            window=window_to_keep(running),
            object_size=running.object_size,
        )
        desk.pending = ask.id
        self._wanted[ask.id] = (desk, running.id)
        return ask

    def take(self, ask_id: int) -> tuple[Desk, int] | None:
        """Close a question that is answered: its desk and the running object's id, if wanted."""
        return self._wanted.pop(ask_id, None)

    def close(self, desk: Desk) -> None:
        """Nobody wants the running object's question any more."""
        self._wanted.pop(desk.pending, None)
        desk.pending = 0

    def close_finishing(self, desk: Desk, step_id: int) -> None:
        """Nobody wants the answer that a keep was waiting for."""
        for ask_id in [a for a, f in desk.finishing.items() if f.step_id == step_id]:
            del desk.finishing[ask_id]
            self._wanted.pop(ask_id, None)


def window_to_keep(running: Running) -> Window | None:
    """The window of the last answer while only corrections inside it differ, else None.

    The window so depends on the prompt alone, never on the way by which it was reached.
    """
    answer, prompt = running.answer, running.prompt
    if answer is None:
        return None
    asked = answer.prompt
    if (asked.points, asked.box, asked.mask) != (prompt.points, prompt.box, prompt.mask):
        return None
    if not all(answer.window.contains(click) for click in prompt.corrections):
        return None
    return answer.window


def signed_by_mask(running: Running, corrections: tuple[Click, ...]) -> tuple[Click, ...]:
    """The corrections, the last one with its sign where the mask before it is at hand."""
    answer = running.answer
    if answer is None or not corrections or corrections[-1].positive is not None:
        return corrections
    *before, last = corrections
    if replace(running.prompt, corrections=tuple(before)) != answer.prompt:
        return corrections
    return (*before, Click(last.y, last.x, not answer.covers(last)))
