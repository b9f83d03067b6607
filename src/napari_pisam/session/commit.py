"""How the active object becomes a kept one, how a kept one is removed, and how both are undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import bounding_window
from napari_pisam.masks.cleaning import Cleaning, cleaned
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.results import SegmentResult
from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.history import KEEP, Step
from napari_pisam.session.label_edit import (
    LabelEdit,
    Overlap,
    edit_between,
    labels_after,
)
from napari_pisam.session.label_store import LabelStore, LabelStoreError, LabelStores
from napari_pisam.session.objects import KeptObject, ObjectEdit, ObjectRegistry
from napari_pisam.session.options import Options
from napari_pisam.session.plane import ImagePlane, PlaneIndex
from napari_pisam.session.plane_state import PendingKeep, PlaneState
from napari_pisam.session.requests import OpenRequests


def label_for(active: ActiveObject, store: LabelStore) -> int:
    """The label it had there before, else a new one; raises LabelStoreError when none is left."""
    if active.label is not None and active.store == store.key:
        return active.label
    label = store.next_label()
    if label > store.largest_value:
        raise LabelStoreError(
            f"These labels hold no number above {store.largest_value}: convert the layer to a "
            "wider type, or choose a new labels layer."
        )
    return label


def object_edit(
    registry: ObjectRegistry, store: LabelStore, objects: Sequence[KeptObject], *, policy: Overlap
) -> ObjectEdit:
    """The edit that writes objects to the labels and puts them in the list.

    objects: as they shall be listed, each on one plane, no two on the same; their masks are
    replaced by the pixels that they get. Raises LabelStoreError when one gets none.
    """
    edits, kept = list[LabelEdit](), list[KeptObject]()
    for wanted in objects:
        known = registry.find(store.key, *wanted.key)
        window = bounding_window(wanted.mask, *([known.mask] if known else []))
        if window is None:
            raise LabelStoreError("The mask is empty: correct it, or drop it with Esc.")
        before = store.read(wanted.index, window)
        mask = wanted.mask.placed().in_window(window)
        after = labels_after(before, mask, wanted.label, policy=policy)
        edits.append(edit_between(wanted.index, window, before, after=after))
        if policy is Overlap.CUT_OUT:
            continue
        own = PackedMask.of(PlacedMask(window.y, window.x, after == wanted.label))
        if not own.area:
            raise LabelStoreError(
                "Finished objects cover all of this mask: choose “overwrite” to replace them."
            )
        kept.append(replace(wanted, mask=own))
    return registry.edit(store, edits, kept=kept)


def removal_edit(store: LabelStore, kept: KeptObject) -> ObjectEdit:
    """The edit that takes an object out of the labels and the list."""
    if not kept.area:
        return ObjectEdit(store, removed=(kept,))
    placed = kept.mask.placed()
    window = Window(placed.y, placed.x, *placed.mask.shape)
    before = store.read(kept.index, window)
    after = np.where(placed.mask & (before == kept.label), 0, before)
    edit = edit_between(kept.index, window, before, after=after)
    return ObjectEdit(store, (edit,), removed=(kept,))


def kept_object(
    active: ActiveObject,
    result: SegmentResult,
    plane: ImagePlane,
    *,
    store: LabelStore,
    cleaning: Cleaning,
    seconds: float,
) -> KeptObject:
    """The active object with its cleaned mask, as an object to keep.

    Raises LabelStoreError when the store has no label left for it.
    """
    return KeptObject(
        label=label_for(active, store),
        store=store.key,
        image=plane.key.image,
        index=plane.key.index,
        mask=PackedMask.of(cleaned(result.placed, cleaning)),
        prompt=active.prompt,
        window=result.window,
        object_size=active.object_size,
        seconds=seconds,
        model=result.model,
    )


class Committer:
    """Keeps, removes and edits objects as steps of a plane's history, and undoes such steps.

    notify: called with each change of labels and list. announce: called with the level and the
    sentence of what cannot be done.
    """

    def __init__(
        self,
        registry: ObjectRegistry,
        requests: OpenRequests,
        stores: LabelStores,
        *,
        clock: Callable[[], float],
        notify: Callable[[ObjectEdit], None],
        announce: Callable[[str, str], None],
    ) -> None:
        self._registry = registry
        self._requests = requests
        self._stores = stores
        self._clock = clock
        self._notify = notify
        self._announce = announce
        # Planes of stores that an edit of several planes has changed, from whichever history.
        self._spanned: set[tuple[str, PlaneIndex]] = set()

    def keep(self, state: PlaneState, options: Options) -> bool:
        """Keep a plane's active object, now or when its mask arrives; whether that is a step."""
        if state.active_object.prompt.empty:
            self._announce("info", "There is nothing to keep yet: click on an object first.")
            return False
        try:
            # The labels chosen now, whatever is chosen when the mask comes.
            store = self._stores.current(state.plane)
        except LabelStoreError as error:
            self._announce("error", str(error))
            return False
        if not state.active_object.settled and state.request_id not in self._requests:
            self._requests.send(state)
        active = state.active_object
        pending = PendingKeep(state.do(KEEP, ActiveObject(next(state.ids))).id, store)
        if state.request_id in self._requests:
            state.pending_keeps[state.request_id] = pending
            state.request_id = 0
        else:
            self._commit(state, pending, active, options=options)
        return True

    def finish_keep(
        self, state: PlaneState, pending: PendingKeep, result: SegmentResult, *, options: Options
    ) -> None:
        """The mask that a keep was waiting for has come."""
        step = state.history.find(pending.step_id)
        if step is not None:
            active = replace(step.before, result=result, prompt=result.prompt)
            state.history.remember_before(step.id, active)
            self._commit(state, pending, active, options=options)

    def take_back_keep(self, state: PlaneState, step_id: int) -> None:
        """The keep came to nothing: back to the object, unless the next one was begun already."""
        done = state.history.done
        if done and done[-1].id == step_id:
            state.history.undo()
            state.active_object = done[-1].before
        else:
            self._announce("info", "Undo leads back to the object that could not be kept.")

    def do(self, state: PlaneState | None, name: str, edit: ObjectEdit) -> None:
        """Apply an edit, as one step of a plane's history; without a plane it is no step."""
        if self._apply(edit) is not None and state is not None:
            state.do(name, state.active_object, edit=edit)

    def undo(self, state: PlaneState) -> Step | None:
        """Take a plane's last step back in labels, list and history; None when it cannot be."""
        if not state.history.done:
            return None
        step, restored = state.history.done[-1], None
        if step.undo_edit is not None:
            restored = self._apply(step.undo_edit)
            if restored is None:
                return None
        self._requests.cancel_keep(state, step.id)
        return state.history.undo(restored)

    def redo(self, state: PlaneState) -> Step | None:
        """Do a plane's next step again in labels, list and history; None when it cannot be."""
        if not state.history.undone:
            return None
        edit = self._redo_edit(state.history.undone[-1])
        if edit is not None and self._apply(edit) is None:
            return None
        return state.history.redo()

    def _redo_edit(self, step: Step) -> ObjectEdit | None:
        """What does a step again: its own edit, over what a brush has erased of it since.

        Where a step of another plane's history may have changed the labels since, only what undo
        has really changed: undo and redo leave that step's pixels alone.
        """
        if step.edit is None or step.restored is None:
            return step.edit
        planes = {(step.edit.store.key, edit.plane) for edit in step.edit.edits}
        return step.restored.inverse if planes & self._spanned else step.edit

    def _apply(self, edit: ObjectEdit) -> ObjectEdit | None:
        """What an edit has really changed; None when the labels refuse it."""
        try:
            written = self._registry.apply(edit)
        except LabelStoreError as error:
            self._announce("error", str(error))
            return None
        if len(edit.edits) > 1:
            self._spanned.update((edit.store.key, part.plane) for part in edit.edits)
        self._notify(written)
        return written

    def _commit(
        self, state: PlaneState, pending: PendingKeep, active: ActiveObject, *, options: Options
    ) -> None:
        """Write an object to the labels; when they refuse, the object is active again."""
        result, store = active.result, pending.store
        if result is None:
            return
        try:
            spent = self._clock() - active.started if active.started is not None else 0.0
            cleaning = options.cleaning
            kept = kept_object(
                active, result, state.plane, store=store, cleaning=cleaning, seconds=spent
            )
            edit = object_edit(self._registry, store, (kept,), policy=options.overlap)
        except LabelStoreError as error:
            self.take_back_keep(state, pending.step_id)
            self._announce("error", str(error))
            return
        if self._apply(edit) is None:
            self.take_back_keep(state, pending.step_id)
            return
        known = replace(active, label=kept.label, store=store.key)
        state.history.remember_before(pending.step_id, known, edit=edit)
