"""Undo and redo of one plane: its steps in order, with the states and edits to go along them.

Going along them computes no mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.objects import ObjectEdit

RESULTS_MAX_BYTES = 128 * 2**20
KEEP = "keep"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing the person did, with the active object before and after it.

    edit: what it did to labels and the list of objects, None for nothing. restored: what taking
    it back has changed there, None while it is done.
    """

    id: int
    name: str
    before: ActiveObject
    after: ActiveObject
    edit: ObjectEdit | None = None
    restored: ObjectEdit | None = None

    @property
    def unfinished_keep(self) -> bool:
        """Whether it keeps an object whose mask has not come: it has written nothing yet."""
        return self.name == KEEP and self.edit is None

    @property
    def undo_edit(self) -> ObjectEdit | None:
        """What takes it back in the labels."""
        return self.edit.inverse if self.edit is not None else None


class History:
    """The steps of one plane and how far they are undone.

    Without limit in steps. Results beyond `max_bytes` are forgotten, the oldest first: going back
    to such a state requests its mask again.
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

    def undo(self, restored: ObjectEdit | None = None) -> Step | None:
        """Go back by one step and return it; None at the beginning.

        restored: what that has changed in the labels.
        """
        if not self._done:
            return None
        self._undone.append(replace(self._done.pop(), restored=restored))
        return self._undone[-1]

    def redo(self) -> Step | None:
        """Go forward by one step and return it; None at the end."""
        if not self._undone:
            return None
        self._done.append(replace(self._undone.pop(), restored=None))
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

    def remember_before(
        self, step_id: int, active: ActiveObject, *, edit: ObjectEdit | None = None
    ) -> None:
        """The state before a step has become this one, and its edit this one, if given."""
        for steps in (self._done, self._undone):
            for i, step in enumerate(steps):
                if step.id == step_id:
                    steps[i] = replace(step, before=active, edit=edit or step.edit)

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
