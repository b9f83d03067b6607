"""One person's work on the images of one viewer: commands in, signals out, no window.

A click goes through here: it makes a new prompt, the prompt makes an `Ask`, and the answer that
comes back is taken only while it is still wanted. Every command can be undone at once, because
the states before it, with their masks, are kept.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_pisam.prompts import Box, Click, PlacedMask, Prompt
from napari_pisam.session.answer import Answer
from napari_pisam.session.asking import Desk, Finishing, Questions, signed_by_mask
from napari_pisam.session.book import Book, BookEdit
from napari_pisam.session.canvas import CanvasError, Canvases, LabelCanvas
from napari_pisam.session.history import Running, Step
from napari_pisam.session.keeping import KeptObject
from napari_pisam.session.making import (
    final_mask,
    kept_object,
    label_for,
    object_edit,
    removal_edit,
    typical_of,
)
from napari_pisam.session.options import Options
from napari_pisam.session.plane import Ask, ImagePlane, PlaneKey


class Session:
    """Evented state: the running object of each plane, the kept objects, undo and redo.

    Signals: asked(Ask), a question for the worker; changed(), what is shown is another;
    written(BookEdit), labels and list of objects have changed; said(level, sentence), with the
    levels "info" and "error".
    """

    asked = Signal(Ask)
    changed = Signal()
    written = Signal(BookEdit)
    said = Signal(str, str)

    def __init__(self, canvases: Canvases, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._canvases = canvases
        self._clock = clock
        self._ids = itertools.count(1)
        self._desks: dict[PlaneKey, Desk] = {}
        self._questions = Questions()
        self._edits: dict[int, BookEdit] = {}
        self._desk: Desk | None = None
        self.book = Book()
        self.options = Options()

    @property
    def plane(self) -> ImagePlane | None:
        """The plane that is worked on."""
        return self._desk.plane if self._desk else None

    @property
    def running(self) -> Running | None:
        """The object that is being made on that plane."""
        return self._desk.running if self._desk else None

    @property
    def desks(self) -> tuple[Desk, ...]:
        """Every plane that was worked on."""
        return tuple(self._desks.values())

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, on any plane."""
        return bool(self._questions)

    @property
    def waiting(self) -> bool:
        """Whether the running object's newest answer is still to come."""
        return self._desk is not None and self._desk.pending in self._questions

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back on this plane."""
        return bool(self._desk and self._desk.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again on this plane."""
        return bool(self._desk and self._desk.history.undone)

    def is_wanted(self, ask_id: int) -> bool:
        """Whether anybody still waits for that answer (any thread may ask)."""
        return ask_id in self._questions

    @property
    def typical_size(self) -> float | None:
        """The size that the next object's window is chosen by, image pixels; None when unknown."""
        if self.options.object_size is not None or self._desk is None:
            return self.options.object_size
        image = self._desk.plane.key.image
        return typical_of([o.mask.span for o in self.book.everywhere() if o.image == image])

    def look_at(self, plane: ImagePlane | None) -> None:
        """Work on that plane from now on; its running object waits there as it was left."""
        if plane is None:
            self._desk = None
        else:
            known = self._desks.get(plane.key)
            desk = known or Desk(plane, Running(next(self._ids)))
            changed = desk.plane.cache_key != plane.cache_key
            self._desks[plane.key], self._desk, desk.plane = desk, desk, plane
            if changed:
                self.ask_again()
        self.changed.emit()

    def ask_again(self) -> None:
        """Ask for the running object anew: the model, the pixels or the intensities are others."""
        if self._desk is not None:
            self._put(self._desk, replace(self._desk.running, answer=None))
            self._ask(self._desk)
            self.changed.emit()

    def forget_image(self, image: str) -> None:
        """The image is gone: its unfinished objects go too, kept ones stay or are still to come."""
        for key in [key for key in self._desks if key.image == image]:
            desk = self._desks.pop(key)
            self._questions.close(desk)
            if desk is self._desk:
                self._desk = None
        self.changed.emit()

    def click(self, click: Click, *, prompt: bool = False) -> None:
        """The common path: the first click prompts, every further one corrects.

        click: positive None leaves the sign to the mask under it (True for a first click).
        prompt: adds to the prompt even when there is a mask to correct.
        """
        running = self._running_or_say()
        if running is None or self._desk is None:
            return
        if not self._desk.plane.holds(click):
            self.said.emit("info", "That click is outside the image.")
        elif prompt or running.prompt.empty:
            sign = True if click.positive is None else click.positive
            self.set_points((*running.prompt.points, Click(click.y, click.x, sign)))
        else:
            self.set_corrections((*running.prompt.corrections, click))

    def set_points(self, points: tuple[Click, ...]) -> None:
        """Replace the prompt's points."""
        self._say_prompt("points", points=points)

    def set_corrections(self, corrections: tuple[Click, ...]) -> None:
        """Replace the corrections; a new one without a sign gets the opposite of the mask there.

        Of several without one, each goes by the mask of those before it: the model tells them.
        """
        if self.running is not None:
            corrections = signed_by_mask(self.running, corrections)
        self._say_prompt("corrections", corrections=corrections)

    def set_box(self, box: Box | None) -> None:
        """Put a box round the object, or take it away."""
        self._say_prompt("box", box=box)

    def refine(
        self, mask: PlacedMask, *, label: int | None = None, canvas: str | None = None
    ) -> None:
        """Start from a mask that exists. label: the object of that canvas that it replaces."""
        if self._running_or_say() is not None and mask.mask.any():
            started = Running(
                next(self._ids), Prompt(mask=mask.cropped()), label=label, canvas=canvas
            )
            self._begin("refine", replace(started, started=self._clock()))

    def reopen(self, kept: KeptObject) -> None:
        """Open a kept object again, with its prompts, on the plane that is looked at."""
        if self._running_or_say() is None or self._desk is None:
            return
        if PlaneKey(kept.image, kept.index) != self._desk.plane.key:
            self.said.emit("info", f"Object {kept.label} lies on another plane: go there first.")
            return
        prompt = kept.prompt if not kept.prompt.empty else Prompt(mask=kept.mask.placed())
        again = Running(next(self._ids), prompt, label=kept.label, canvas=kept.canvas)
        began = self._clock() - kept.seconds
        self._begin("reopen", replace(again, object_size=kept.object_size, started=began))

    def flip(self) -> None:
        """Turn the last correction round: what added removes, and the other way about."""
        running = self._running_or_say()
        corrections = running.prompt.corrections if running else ()
        if running is not None and not corrections:
            self.said.emit("info", "There is no correction to flip yet.")
        elif corrections and corrections[-1].positive is None:
            self.said.emit("info", "Wait for the mask: it tells what the correction does.")
        elif corrections:
            last = corrections[-1]
            self.set_corrections((*corrections[:-1], Click(last.y, last.x, not last.positive)))

    def drop(self) -> None:
        """Throw the running object away; undo brings it back."""
        if self._desk is not None and not self._desk.running.untouched:
            self._questions.close(self._desk)
            self._do(self._desk, "drop", Running(next(self._ids)))
            self.changed.emit()

    def keep(self) -> None:
        """Keep the running object; while its mask is on the way, it is kept when it arrives."""
        desk, running = self._desk, self._running_or_say()
        if desk is None or running is None:
            return
        if running.prompt.empty:
            self.said.emit("info", "There is nothing to keep yet: click on an object first.")
            return
        try:
            # The labels chosen now, whatever is chosen when the mask comes.
            canvas = self._canvases.current(desk.plane)
        except CanvasError as error:
            self.said.emit("error", str(error))
            return
        if not running.settled and not self.waiting:
            self._ask(desk)
        step = self._do(desk, "keep", Running(next(self._ids)))
        if desk.pending in self._questions:
            desk.finishing[desk.pending] = Finishing(step.id, canvas)
            desk.pending = 0
        else:
            self._commit(desk, Finishing(step.id, canvas), running)
        self.changed.emit()

    def remove(self, kept: KeptObject, canvas: LabelCanvas) -> None:
        """Delete a kept object from its labels; undo brings it back."""
        desk = self._desks.get(PlaneKey(kept.image, kept.index))
        edit = removal_edit(self.book, canvas, kept)
        if self._apply(edit) and desk is not None:
            step = self._do(desk, "remove", desk.running)
            self._edits[step.id] = edit
        self.changed.emit()

    def repainted(self, edit: BookEdit) -> None:
        """Another hand has changed labels and list, which is no step that is undone here."""
        self.written.emit(edit)
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step on this plane back, at once; nothing is computed."""
        desk = self._desk
        if desk is None or not desk.history.done:
            return
        edit = self._edits.get(desk.history.done[-1].id)
        if edit is not None and not self._apply(edit.inverse):
            return
        step = desk.history.undo()
        if step is not None:
            self._questions.close_finishing(desk, step.id)
            self._arrive(desk, step.before)

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        desk = self._desk
        if desk is None or not desk.history.undone:
            return
        following = desk.history.undone[-1]
        edit = self._edits.get(following.id)
        if following.name == "keep" and edit is None:
            # It was taken back before its mask had come: keep it as if for the first time.
            self.keep()
        elif edit is None or self._apply(edit):
            desk.history.redo()
            self._arrive(desk, following.after)

    def accept(self, answer: Answer) -> None:
        """Take an answer; one that nobody waits for any more is ignored."""
        found = self._questions.take(answer.ask_id)
        if found is None:
            return
        desk, running_id = found
        finishing = desk.finishing.pop(answer.ask_id, None)
        if finishing is not None:
            self._finish_keep(desk, finishing, answer)
        elif desk.running.id == running_id:
            self._put(desk, replace(desk.running, answer=answer, prompt=answer.prompt))
        self.changed.emit()

    def fail(self, ask_id: int, sentence: str) -> None:
        """The worker could not answer; the sentence tells the person why."""
        found = self._questions.take(ask_id)
        if found is None:
            return
        finishing = found[0].finishing.pop(ask_id, None)
        if finishing is not None:
            self._take_back_keep(found[0], finishing.step_id)
        self.said.emit("error", sentence)
        self.changed.emit()

    def _running_or_say(self) -> Running | None:
        if self._desk is None:
            self.said.emit("info", "Open an image and choose it first.")
            return None
        return self._desk.running

    def _say_prompt(self, name: str, **changes: Any) -> None:
        """A new prompt for the running object, as one step; the same prompt is no step."""
        running = self._running_or_say()
        if running is None:
            return
        prompt = replace(running.prompt, **changes)
        if prompt == running.prompt:
            return
        after = replace(running, prompt=prompt)
        if running.untouched:
            after = replace(after, started=self._clock(), object_size=self.typical_size)
        self._begin(name, replace(after, answer=None) if prompt.empty else after)

    def _begin(self, name: str, running: Running) -> None:
        """One step to a running object whose mask is not known yet."""
        if self._desk is not None:
            self._do(self._desk, name, running)
            self._ask(self._desk)
            self.changed.emit()

    def _ask(self, desk: Desk) -> None:
        self._questions.close(desk)
        if not desk.running.prompt.empty:
            self.asked.emit(self._questions.of(desk))

    def _do(self, desk: Desk, name: str, after: Running) -> Step:
        step = Step(next(self._ids), name, desk.running, after)
        desk.history.push(step)
        desk.running = after
        return step

    def _put(self, desk: Desk, running: Running) -> None:
        """The same step, better known."""
        desk.running = running
        desk.history.remember(running)

    def _arrive(self, desk: Desk, running: Running) -> None:
        """Show a state from the history; only one whose mask was never seen is asked for."""
        self._questions.close(desk)
        desk.running = running
        if not running.settled:
            self._ask(desk)
        self.changed.emit()

    def _apply(self, edit: BookEdit) -> bool:
        try:
            written = self.book.apply(edit)
        except CanvasError as error:
            self.said.emit("error", str(error))
            return False
        self.written.emit(written)
        return True

    def _finish_keep(self, desk: Desk, finishing: Finishing, answer: Answer) -> None:
        """The mask that a keep was waiting for has come."""
        step = desk.history.find(finishing.step_id)
        if step is not None:
            running = replace(step.before, answer=answer, prompt=answer.prompt)
            desk.history.remember_before(step.id, running)
            self._commit(desk, finishing, running)

    def _commit(self, desk: Desk, finishing: Finishing, running: Running) -> None:
        """Write an object to the labels; when they refuse, the object is running again."""
        answer, step_id, canvas = running.answer, finishing.step_id, finishing.canvas
        if answer is None:
            return
        try:
            label = label_for(running, canvas)
            spent = self._clock() - running.started if running.started is not None else 0.0
            kept = kept_object(
                running, answer, desk.plane, label=label, canvas=canvas.key, seconds=spent
            )
            mask = final_mask(answer, self.options.cleaning)
            edit = object_edit(self.book, canvas, kept, mask=mask, policy=self.options.overlap)
        except CanvasError as error:
            self._take_back_keep(desk, step_id)
            self.said.emit("error", str(error))
            return
        if not self._apply(edit):
            self._take_back_keep(desk, step_id)
            return
        self._edits[step_id] = edit
        known = replace(running, label=label, canvas=canvas.key)
        desk.history.remember_before(step_id, known)

    def _take_back_keep(self, desk: Desk, step_id: int) -> None:
        """The keep came to nothing: back to the object, unless the next one was begun already."""
        done = desk.history.done
        if done and done[-1].id == step_id:
            desk.history.undo()
            desk.running = done[-1].before
        else:
            self.said.emit("info", "Undo leads back to the object that could not be kept.")
