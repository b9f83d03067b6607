"""One person's work on the images of one viewer: commands in, signals out, no window.

A click makes a new prompt, the prompt makes a `SegmentRequest`, and the result that comes back is
taken only while it is still wanted. Every command can be undone at once: states before it are kept.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.commit import (
    final_mask,
    kept_object,
    label_for,
    object_edit,
    removal_edit,
    typical_of,
)
from napari_pisam.session.history import ActiveObject, Step
from napari_pisam.session.label_edit import KeptObject
from napari_pisam.session.label_store import LabelStore, LabelStoreError, LabelStores
from napari_pisam.session.objects import ObjectEdit, ObjectRegistry
from napari_pisam.session.options import Options
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.requests import Finishing, OpenRequests, PlaneState, signed_by_mask


class Session:
    """Evented state: the active object of each plane, the kept objects, undo and redo.

    Signals: requested(SegmentRequest), for the worker; changed(), what is shown is another;
    written(ObjectEdit), labels and list of objects have changed; message(level, sentence), with the
    levels "info" and "error".
    """

    requested = Signal(SegmentRequest)
    changed = Signal()
    written = Signal(ObjectEdit)
    message = Signal(str, str)

    def __init__(self, stores: LabelStores, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._clock = clock
        self._ids = itertools.count(1)
        self._states: dict[PlaneKey, PlaneState] = {}
        self._requests = OpenRequests()
        self._edits: dict[int, ObjectEdit] = {}
        self._state: PlaneState | None = None
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
        """Whether a result is awaited, on any plane."""
        return bool(self._requests)

    @property
    def waiting(self) -> bool:
        """Whether the active object's newest result is still to come."""
        return self._state is not None and self._state.pending in self._requests

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back on this plane."""
        return bool(self._state and self._state.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again on this plane."""
        return bool(self._state and self._state.history.undone)

    def is_wanted(self, request_id: int) -> bool:
        """Whether anybody still waits for that result (any thread may ask)."""
        return request_id in self._requests

    @property
    def typical_size(self) -> float | None:
        """The size that the next object's window is chosen by, image pixels; None when unknown."""
        if self.options.object_size is not None or self._state is None:
            return self.options.object_size
        image = self._state.plane.key.image
        return typical_of([o.mask.span for o in self.registry.everywhere() if o.image == image])

    def look_at(self, plane: ImagePlane | None) -> None:
        """Work on that plane from now on; its active object waits there as it was left."""
        if plane is None:
            self._state = None
        else:
            known = self._states.get(plane.key)
            state = known or PlaneState(plane, ActiveObject(next(self._ids)))
            changed = state.plane.cache_key != plane.cache_key
            self._states[plane.key], self._state, state.plane = state, state, plane
            if changed:
                self.request_again()
        self.changed.emit()

    def request_again(self) -> None:
        """Request the active object anew: the model, the pixels or the intensities are others."""
        if self._state is not None:
            self._put(self._state, replace(self._state.active_object, result=None))
            self._request(self._state)
            self.changed.emit()

    def forget_image(self, image: str) -> None:
        """The image is gone: its unfinished objects go too, kept ones stay or are still to come."""
        for key in [key for key in self._states if key.image == image]:
            state = self._states.pop(key)
            self._requests.close(state)
            if state is self._state:
                self._state = None
        self.changed.emit()

    def click(self, click: Click, *, prompt: bool = False) -> None:
        """The common path: the first click prompts, every further one corrects.

        click: positive None leaves the sign to the mask under it (True for a first click).
        prompt: adds to the prompt even when there is a mask to correct.
        """
        active = self._active_or_message()
        if active is None or self._state is None:
            return
        if not self._state.plane.holds(click):
            self.message.emit("info", "That click is outside the image.")
        elif prompt or active.prompt.empty:
            sign = True if click.positive is None else click.positive
            self.set_points((*active.prompt.points, Click(click.y, click.x, sign)))
        else:
            self.set_corrections((*active.prompt.corrections, click))

    def set_points(self, points: tuple[Click, ...]) -> None:
        """Replace the prompt's points."""
        self._say_prompt("points", points=points)

    def set_corrections(self, corrections: tuple[Click, ...]) -> None:
        """Replace the corrections; a new one without a sign gets the opposite of the mask there.

        Of several without one, each goes by the mask of those before it: the model tells them.
        """
        if self.active_object is not None:
            corrections = signed_by_mask(self.active_object, corrections)
        self._say_prompt("corrections", corrections=corrections)

    def set_box(self, box: Box | None) -> None:
        """Put a box round the object, or take it away."""
        self._say_prompt("box", box=box)

    def refine(
        self, mask: PlacedMask, *, label: int | None = None, store: str | None = None
    ) -> None:
        """Start from a mask that exists. label: the object of that store that it replaces."""
        if self._active_or_message() is not None and mask.mask.any():
            started = ActiveObject(
                next(self._ids), Prompt(mask=mask.cropped()), label=label, store=store
            )
            self._begin("refine", replace(started, started=self._clock()))

    def reopen(self, kept: KeptObject) -> None:
        """Open a kept object again, with its prompts, on the plane that is looked at."""
        if self._active_or_message() is None or self._state is None:
            return
        if PlaneKey(kept.image, kept.index) != self._state.plane.key:
            self.message.emit("info", f"Object {kept.label} lies on another plane: go there first.")
            return
        prompt = kept.prompt if not kept.prompt.empty else Prompt(mask=kept.mask.placed())
        again = ActiveObject(next(self._ids), prompt, label=kept.label, store=kept.store)
        began = self._clock() - kept.seconds
        self._begin("reopen", replace(again, object_size=kept.object_size, started=began))

    def flip(self) -> None:
        """Turn the last correction round: what added removes, and the other way about."""
        active = self._active_or_message()
        corrections = active.prompt.corrections if active else ()
        if active is not None and not corrections:
            self.message.emit("info", "There is no correction to flip yet.")
        elif corrections and corrections[-1].positive is None:
            self.message.emit("info", "Wait for the mask: it tells what the correction does.")
        elif corrections:
            last = corrections[-1]
            self.set_corrections((*corrections[:-1], Click(last.y, last.x, not last.positive)))

    def drop(self) -> None:
        """Throw the active object away; undo brings it back."""
        if self._state is not None and not self._state.active_object.untouched:
            self._requests.close(self._state)
            self._do(self._state, "drop", ActiveObject(next(self._ids)))
            self.changed.emit()

    def keep(self) -> None:
        """Keep the active object; while its mask is on the way, it is kept when it arrives."""
        state, active = self._state, self._active_or_message()
        if state is None or active is None:
            return
        if active.prompt.empty:
            self.message.emit("info", "There is nothing to keep yet: click on an object first.")
            return
        try:
            # The labels chosen now, whatever is chosen when the mask comes.
            store = self._stores.current(state.plane)
        except LabelStoreError as error:
            self.message.emit("error", str(error))
            return
        if not active.settled and not self.waiting:
            self._request(state)
        step = self._do(state, "keep", ActiveObject(next(self._ids)))
        if state.pending in self._requests:
            state.finishing[state.pending] = Finishing(step.id, store)
            state.pending = 0
        else:
            self._commit(state, Finishing(step.id, store), active)
        self.changed.emit()

    def remove(self, kept: KeptObject, store: LabelStore) -> None:
        """Delete a kept object from its labels; undo brings it back."""
        state = self._states.get(PlaneKey(kept.image, kept.index))
        edit = removal_edit(self.registry, store, kept)
        if self._apply(edit) and state is not None:
            step = self._do(state, "remove", state.active_object)
            self._edits[step.id] = edit
        self.changed.emit()

    def repainted(self, edit: ObjectEdit) -> None:
        """Another hand has changed labels and list, which is no step that is undone here."""
        self.written.emit(edit)
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step on this plane back, at once; nothing is computed."""
        state = self._state
        if state is None or not state.history.done:
            return
        edit = self._edits.get(state.history.done[-1].id)
        if edit is not None and not self._apply(edit.inverse):
            return
        step = state.history.undo()
        if step is not None:
            self._requests.close_finishing(state, step.id)
            self._arrive(state, step.before)

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        state = self._state
        if state is None or not state.history.undone:
            return
        following = state.history.undone[-1]
        edit = self._edits.get(following.id)
        if following.name == "keep" and edit is None:
            # It was taken back before its mask had come: keep it as if for the first time.
            self.keep()
        elif edit is None or self._apply(edit):
            state.history.redo()
            self._arrive(state, following.after)

    def accept(self, result: SegmentResult) -> None:
        """Take a result; one that nobody waits for any more is ignored."""
        found = self._requests.take(result.request_id)
        if found is None:
            return
        state, active_id = found
        finishing = state.finishing.pop(result.request_id, None)
        if finishing is not None:
            self._finish_keep(state, finishing, result)
        elif state.active_object.id == active_id:
            self._put(state, replace(state.active_object, result=result, prompt=result.prompt))
        self.changed.emit()

    def fail(self, request_id: int, sentence: str) -> None:
        """The request failed; the sentence tells the person why."""
        found = self._requests.take(request_id)
        if found is None:
            return
        finishing = found[0].finishing.pop(request_id, None)
        if finishing is not None:
            self._take_back_keep(found[0], finishing.step_id)
        self.message.emit("error", sentence)
        self.changed.emit()

    def _active_or_message(self) -> ActiveObject | None:
        if self._state is None:
            self.message.emit("info", "Open an image and choose it first.")
            return None
        return self._state.active_object

    def _say_prompt(self, name: str, **changes: Any) -> None:
        """A new prompt for the active object, as one step; the same prompt is no step."""
        active = self._active_or_message()
        if active is None:
            return
        prompt = replace(active.prompt, **changes)
        if prompt == active.prompt:
            return
        after = replace(active, prompt=prompt)
        if active.untouched:
            after = replace(after, started=self._clock(), object_size=self.typical_size)
        self._begin(name, replace(after, result=None) if prompt.empty else after)

    def _begin(self, name: str, active: ActiveObject) -> None:
        """One step to a active object whose mask is not known yet."""
        if self._state is not None:
            self._do(self._state, name, active)
            self._request(self._state)
            self.changed.emit()

    def _request(self, state: PlaneState) -> None:
        self._requests.close(state)
        if not state.active_object.prompt.empty:
            self.requested.emit(self._requests.of(state))

    def _do(self, state: PlaneState, name: str, after: ActiveObject) -> Step:
        step = Step(next(self._ids), name, state.active_object, after)
        state.history.push(step)
        state.active_object = after
        return step

    def _put(self, state: PlaneState, active: ActiveObject) -> None:
        """The same step, better known."""
        state.active_object = active
        state.history.remember(active)

    def _arrive(self, state: PlaneState, active: ActiveObject) -> None:
        """Show a state from the history; only one whose mask was never seen is requested."""
        self._requests.close(state)
        state.active_object = active
        if not active.settled:
            self._request(state)
        self.changed.emit()

    def _apply(self, edit: ObjectEdit) -> bool:
        try:
            written = self.registry.apply(edit)
        except LabelStoreError as error:
            self.message.emit("error", str(error))
            return False
        self.written.emit(written)
        return True

    def _finish_keep(self, state: PlaneState, finishing: Finishing, result: SegmentResult) -> None:
        """The mask that a keep was waiting for has come."""
        step = state.history.find(finishing.step_id)
        if step is not None:
            active = replace(step.before, result=result, prompt=result.prompt)
            state.history.remember_before(step.id, active)
            self._commit(state, finishing, active)

    def _commit(self, state: PlaneState, finishing: Finishing, active: ActiveObject) -> None:
        """Write an object to the labels; when they refuse, the object is active again."""
        result, step_id, store = active.result, finishing.step_id, finishing.store
        if result is None:
            return
        try:
            label = label_for(active, store)
            spent = self._clock() - active.started if active.started is not None else 0.0
            kept = kept_object(
                active, result, state.plane, label=label, store=store.key, seconds=spent
            )
            mask = final_mask(result, self.options.cleaning)
            edit = object_edit(self.registry, store, kept, mask=mask, policy=self.options.overlap)
        except LabelStoreError as error:
            self._take_back_keep(state, step_id)
            self.message.emit("error", str(error))
            return
        if not self._apply(edit):
            self._take_back_keep(state, step_id)
            return
        self._edits[step_id] = edit
        known = replace(active, label=label, store=store.key)
        state.history.remember_before(step_id, known)

    def _take_back_keep(self, state: PlaneState, step_id: int) -> None:
        """The keep came to nothing: back to the object, unless the next one was begun already."""
        done = state.history.done
        if done and done[-1].id == step_id:
            state.history.undo()
            state.active_object = done[-1].before
        else:
            self.message.emit("info", "Undo leads back to the object that could not be kept.")
