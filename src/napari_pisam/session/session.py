"""One person's work on the images of one viewer: commands in, signals out, no window.

A click makes a new prompt, the prompt makes a `SegmentRequest`, and the result that comes back is
taken only while it is still wanted. Every command can be undone at once: states before it are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.results import NOTHING_TO_SEE, SegmentResult
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.commit import Committer, removal_edit
from napari_pisam.session.label_store import LabelStore, LabelStores
from napari_pisam.session.objects import KeptObject, ObjectEdit
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.plane_state import PlaneState
from napari_pisam.session.state import SessionState


class Session(SessionState):
    """The commands of a person, and the results of the requests that they make.

    stores: where objects are kept. clock: seconds; what an object took is measured by it.
    """

    def __init__(self, stores: LabelStores, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._committer = Committer(
            self.registry,
            self._requests,
            stores,
            clock=clock,
            notify=self.written.emit,
            announce=self.message.emit,
        )

    def look_at(self, plane: ImagePlane | None) -> None:
        """Work on that plane from now on; its active object waits there as it was left."""
        if plane is None:
            self._state = None
        else:
            state = self._states.get(plane.key) or PlaneState(plane)
            changed = state.plane.cache_key != plane.cache_key
            self._states[plane.key], self._state, state.plane = state, state, plane
            if changed:
                self.request_again()
        self.changed.emit()

    def request_again(self) -> None:
        """Request the active object's mask anew: the model or the pixels are others."""
        if self._state is not None:
            self._state.update(replace(self._state.active_object, result=None))
            self._requests.send(self._state)
            self.changed.emit()

    def forget_image(self, image: str) -> None:
        """The image is gone: its unfinished objects go too, kept ones stay or are still to come."""
        for key in [key for key in self._states if key.image == image]:
            state = self._states.pop(key)
            self._requests.cancel(state)
            if state is self._state:
                self._state = None
        self.changed.emit()

    # The prompt of the active object.

    def click(self, click: Click, *, prompt: bool = False) -> None:
        """The common path: the first click prompts, every further one corrects.

        click: positive None leaves the sign to the mask under it (True for a first click).
        prompt: adds to the prompt even when there is a mask to correct.
        """
        state = self._state_or_message()
        if state is None:
            return
        known = state.active_object.prompt
        if not state.plane.holds(click):
            self.message.emit("info", "That click is outside the image.")
        elif prompt or known.empty:
            sign = True if click.positive is None else click.positive
            self.set_points((*known.points, Click(click.y, click.x, sign)))
        else:
            self.set_corrections((*known.corrections, click))

    def set_points(self, points: tuple[Click, ...]) -> None:
        """Replace the prompt's points."""
        self._change_prompt("points", points=points)

    def set_corrections(self, corrections: tuple[Click, ...]) -> None:
        """Replace the corrections; a new one without a sign gets the opposite of the mask there.

        Of several without one, each goes by the mask of those before it, which the model gives.
        """
        if self.active_object is not None:
            corrections = self.active_object.signed(corrections)
        self._change_prompt("corrections", corrections=corrections)

    def set_box(self, box: Box | None) -> None:
        """Put a box round the object, or take it away."""
        self._change_prompt("box", box=box)

    def refine(
        self, mask: PlacedMask, *, label: int | None = None, store: str | None = None
    ) -> None:
        """Start from a mask that exists. label: the object of that store that it replaces."""
        state = self._state_or_message()
        if state is not None and mask.mask.any():
            prompt = Prompt(mask=mask.cropped())
            started = ActiveObject(next(state.ids), prompt, label=label, store=store)
            self._begin(state, "refine", replace(started, started=self._clock()))

    def reopen(self, kept: KeptObject) -> None:
        """Open a kept object again, with its prompts, on the plane that is worked on."""
        state = self._state_or_message()
        if state is None:
            return
        if PlaneKey(kept.image, kept.index) != state.plane.key:
            self.message.emit("info", f"Object {kept.label} lies on another plane: go there first.")
            return
        prompt = kept.prompt if not kept.prompt.empty else Prompt(mask=kept.mask.placed())
        again = ActiveObject(next(state.ids), prompt, label=kept.label, store=kept.store)
        started = self._clock() - kept.seconds
        self._begin(state, "reopen", replace(again, object_size=kept.object_size, started=started))

    def flip(self) -> None:
        """Turn the last correction round: what added removes, and the other way about."""
        state = self._state_or_message()
        if state is None:
            return
        corrections = state.active_object.prompt.corrections
        if not corrections:
            self.message.emit("info", "There is no correction to flip yet.")
        elif corrections[-1].positive is None:
            self.message.emit("info", "Wait for the mask: it tells what the correction does.")
        else:
            last = corrections[-1]
            self.set_corrections((*corrections[:-1], Click(last.y, last.x, not last.positive)))

    # Kept objects, and undo.

    def drop(self) -> None:
        """Throw the active object away; undo brings it back."""
        if self._state is not None and not self._state.active_object.untouched:
            self._requests.cancel(self._state)
            self._state.do("drop", ActiveObject(next(self._state.ids)))
            self.changed.emit()

    def keep(self) -> None:
        """Keep the active object; while its mask is on the way, it is kept when it arrives."""
        state = self._state_or_message()
        if state is not None and self._committer.keep(state, self.options):
            self.changed.emit()

    def remove(self, kept: KeptObject, store: LabelStore) -> None:
        """Delete a kept object from its labels; undo brings it back."""
        state = self._states.get(PlaneKey(kept.image, kept.index))
        self._committer.do(state, "remove", removal_edit(store, kept))
        self.changed.emit()

    def edit_objects(self, name: str, edit: ObjectEdit) -> None:
        """Change labels and list as one step of the plane that is worked on.

        name: of the step. edit: of one plane or of several; see ObjectRegistry.edit.
        """
        state = self._state_or_message()
        if state is not None:
            self._committer.do(state, name, edit)
            self.changed.emit()

    def repainted(self, edit: ObjectEdit) -> None:
        """Labels and list were changed from outside, which is no step that is undone here."""
        self.written.emit(edit)
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step on this plane back, at once; nothing is computed."""
        state = self._state
        step = self._committer.undo(state) if state is not None else None
        if state is not None and step is not None:
            self._go_to(state, step.before)

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        state = self._state
        if state is None or not state.history.undone:
            return
        if state.history.undone[-1].unfinished_keep:
            self.keep()
            return
        step = self._committer.redo(state)
        if step is not None:
            self._go_to(state, step.after)

    # Results.

    def accept(self, result: SegmentResult) -> None:
        """Take a result; one that nobody waits for any more is ignored."""
        requester = self._requests.close(result.request_id)
        if requester is None:
            return
        if result.blank:
            self.message.emit("info", NOTHING_TO_SEE)
        state = requester.state
        pending = state.pending_keeps.pop(result.request_id, None)
        if pending is not None:
            self._committer.finish_keep(state, pending, result, options=self.options)
        elif state.active_object.id == requester.object_id:
            state.update(replace(state.active_object, result=result, prompt=result.prompt))
        self.changed.emit()

    def fail(self, request_id: int, sentence: str) -> None:
        """The request failed; the sentence says why, for the person."""
        requester = self._requests.close(request_id)
        if requester is None:
            return
        pending = requester.state.pending_keeps.pop(request_id, None)
        if pending is not None:
            self._committer.take_back_keep(requester.state, pending.step_id)
        self.message.emit("error", sentence)
        self.changed.emit()

    def _state_or_message(self) -> PlaneState | None:
        if self._state is None:
            self.message.emit("info", "Open an image and choose it first.")
        return self._state

    def _change_prompt(self, name: str, **changes: Any) -> None:
        """A new prompt for the active object, as one step; the same prompt is no step."""
        state = self._state_or_message()
        if state is None:
            return
        active = state.active_object
        prompt = replace(active.prompt, **changes)
        if prompt == active.prompt:
            return
        after = replace(active, prompt=prompt)
        if active.untouched:
            after = replace(after, started=self._clock(), object_size=self.typical_size)
        self._begin(state, name, replace(after, result=None) if prompt.empty else after)

    def _begin(self, state: PlaneState, name: str, active: ActiveObject) -> None:
        """One step to an active object whose mask is not known yet."""
        state.do(name, active)
        self._requests.send(state)
        self.changed.emit()

    def _go_to(self, state: PlaneState, active: ActiveObject) -> None:
        """Show an object from the history; only one whose mask was never seen is requested."""
        self._requests.cancel(state)
        state.active_object = active
        if not active.settled:
            self._requests.send(state)
        self.changed.emit()
