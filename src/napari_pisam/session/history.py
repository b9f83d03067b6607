"""Undo and redo of one plane: a line of states, no inference in going along it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Prompt

RESULTS_MAX_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class ActiveObject:
    """The object that is being made.

    id: its own, for as long as it runs. result: the newest mask, None before the first. label,
    store: the label it had when it was kept before, and where. object_size: the typical size
    that its windows are chosen by. started: when the person began (the session's clock), None
    before the first click.
    """

    id: int
    prompt: Prompt = field(default_factory=Prompt)
    result: SegmentResult | None = None
    label: int | None = None
    store: str | None = None
    object_size: float | None = None
    started: float | None = None

    @property
    def untouched(self) -> bool:
        """Whether nothing has been said about it."""
        p = self.prompt
        return not (p.points or p.corrections) and p.box is None and p.mask is None

    @property
    def settled(self) -> bool:
        """Whether its result is the one to its prompt."""
        return self.result is not None and self.result.prompt == self.prompt


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing the person did, with the state before and after it."""

    id: int
    name: str
    before: ActiveObject
    after: ActiveObject


class History:
    """The steps of one plane and how far they are undone.

    Without limit in steps. Results beyond `max_bytes` are forgotten, the oldest first: going back
    to such a state asks the model again.
    """

    def __init__(self, *, max_bytes: int = RESULTS_MAX_BYTES) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._max_bytes = max_bytes

    @property
    def done(self) -> tuple[Step, ...]:
        """The steps that can be undone, the oldest first."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[Step, ...]:
        """The steps that can be redone, the next one last."""
        return tuple(self._undone)

    def push(self, step: Step) -> None:
        """Add a step; what was undone can no longer be redone."""
        self._done.append(step)
        self._undone.clear()
        self._forget_old_results()

    def undo(self) -> Step | None:
        """Go back by one step and return it; None at the beginning."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Step | None:
        """Go forward by one step and return it; None at the end."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    def find(self, step_id: int) -> Step | None:
        """The step with that id, if it has not been undone."""
        return next((step for step in self._done if step.id == step_id), None)

    def remember(self, active: ActiveObject) -> None:
        """The current state has become this one (its result arrived)."""
        if self._done:
            self._done[-1] = replace(self._done[-1], after=active)
        if self._undone:
            self._undone[-1] = replace(self._undone[-1], before=active)

    def remember_before(self, step_id: int, active: ActiveObject) -> None:
        """The state before a step has become this one, whether done or undone."""
        for steps in (self._done, self._undone):
            for i, step in enumerate(steps):
                if step.id == step_id:
                    steps[i] = replace(step, before=active)

    def _forget_old_results(self) -> None:
        kept = 0
        for i in range(len(self._done) - 1, -1, -1):
            step = self._done[i]
            result = step.before.result
            if result is None:
                continue
            kept += result.nbytes
            if kept > self._max_bytes:
                self._done[i] = replace(step, before=replace(step.before, result=None))
                if i:
                    self._done[i - 1] = replace(self._done[i - 1], after=self._done[i].before)
