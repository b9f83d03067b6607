"""The kept objects of all labels, and the edits that change labels and objects together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import union
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Prompt
from napari_pisam.session.label_edit import LabelEdit, all_written
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import PlaneIndex

ObjectKey = tuple[int, PlaneIndex]
"""Label and plane: one label may go through many planes."""

ALIKE_MIN_OBJECTS = 3
ALIKE_MAX_RATIO = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class KeptObject:
    """A finished object and how it came about.

    label: its value in the labels. store, index: which labels and which plane of them hold it.
    image: the name of its image, as in PlaneKey. mask: its pixels, empty when all are overpainted.
    prompt, window, object_size, model: what the mask was made with, so that the object can be
    opened again. seconds: what the person spent on it, from the first click to keeping it.
    """

    label: int
    store: str
    image: str
    index: PlaneIndex
    mask: PackedMask
    prompt: Prompt
    window: Window | None = None
    object_size: float | None = None
    seconds: float = 0.0
    model: str = ""

    @property
    def area(self) -> int:
        """Image pixels."""
        return self.mask.area

    @property
    def clicks(self) -> int:
        """How many prompts the person gave: points, box, rough mask, corrections."""
        box_and_mask = (self.prompt.box is not None) + (self.prompt.mask is not None)
        return box_and_mask + len(self.prompt.points) + len(self.prompt.corrections)

    @property
    def key(self) -> ObjectKey:
        """What it is found by in its labels."""
        return self.label, self.index


@dataclass(frozen=True, slots=True, eq=False)
class ObjectEdit:
    """One change of labels and of the list of objects, which is taken back as one.

    edits: the changes of labels, at most one for each plane. removed, added: the objects of the
    list before and after, those that the change concerns. Raises ValueError for two edits of one
    plane.
    """

    store: LabelStore
    edits: tuple[LabelEdit, ...] = ()
    removed: tuple[KeptObject, ...] = ()
    added: tuple[KeptObject, ...] = ()

    def __post_init__(self) -> None:
        if len({edit.plane for edit in self.edits}) < len(self.edits):
            raise ValueError("An edit of objects has at most one edit of labels for each plane.")

    @property
    def inverse(self) -> ObjectEdit:
        """The edit that takes this one back."""
        inverses = tuple(edit.inverse for edit in self.edits)
        return ObjectEdit(self.store, inverses, removed=self.added, added=self.removed)


class ObjectRegistry:
    """The kept objects of each store, in the order in which they were kept."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[ObjectKey, KeptObject]] = {}
        # How far each label has ever reached: what a brush added may come back by napari's undo.
        self._reach: dict[tuple[str, ObjectKey], Window] = {}

    def of(self, store: str) -> tuple[KeptObject, ...]:
        """The objects kept in one store."""
        return tuple(self._objects.get(store, {}).values())

    def everywhere(self) -> Iterable[KeptObject]:
        """The objects of all stores."""
        return (found for objects in self._objects.values() for found in objects.values())

    def find(self, store: str, label: int, index: PlaneIndex) -> KeptObject | None:
        """The object with that label on that plane (one label may go through many planes)."""
        return self._objects.get(store, {}).get((label, index))

    def apply(self, edit: ObjectEdit) -> ObjectEdit:
        """Write the labels, then the list; raises LabelStoreError with nothing changed.

        The list then holds what the labels hold: pixels that another edit or a brush has changed
        in the meantime are not this edit's. An object that loses its last pixel goes from the
        list. Returns what has really changed.
        """
        listed = self._objects.get(edit.store.key, {})
        objects = dict(listed)
        boxes = {change.plane: change.box for change in edit.edits}
        with all_written(edit.store, edit.edits) as changes:
            for removed in edit.removed:
                objects.pop(removed.key, None)
            objects |= {added.key: added for added in edit.added}
            touched = [key for change in changes for key in _keys(change, change.labels_involved)]
            for key in dict.fromkeys((*touched, *(added.key for added in edit.added))):
                found = objects.get(key)
                if found is None:
                    continue
                objects[key] = self._as_labelled(edit.store, found, boxes.get(found.index))
                if found.area and not objects[key].area:
                    del objects[key]
        self._objects[edit.store.key] = objects
        return ObjectEdit(
            edit.store,
            changes,
            removed=tuple(o for key, o in listed.items() if objects.get(key) is not o),
            added=tuple(o for key, o in objects.items() if listed.get(key) is not o),
        )

    def refresh(
        self, store: LabelStore, key: ObjectKey, window: Window | None
    ) -> KeptObject | None:
        """Make one object of the list what the labels hold of it, and return it; None for no such.

        window: where its labels may have changed, beyond where it was ever seen. Nothing left of
        it, its mask is empty.
        """
        found = self._objects.get(store.key, {}).get(key)
        if found is not None:
            found = self._objects[store.key][key] = self._as_labelled(store, found, window)
        return found

    def edit(
        self, store: LabelStore, edits: Sequence[LabelEdit], *, kept: Sequence[KeptObject] = ()
    ) -> ObjectEdit:
        """Edits of labels with what they do to the list: objects that lose pixels shrink or go.

        edits: as ObjectEdit takes them, not yet written. kept: the objects that they are about, as
        they will stand in the list.
        """
        by_plane = {edit.plane: edit for edit in edits}
        own = {found.key for found in kept}
        losing = {key for edit in edits for key in _keys(edit, edit.labels_before)}
        removed = [found for found in self.of(store.key) if found.key in own | losing]
        left = [_without(o, by_plane[o.index]) for o in removed if o.key not in own]
        added = (*(found for found in left if found.area), *kept)
        return ObjectEdit(store, tuple(edits), removed=tuple(removed), added=added)

    def _as_labelled(
        self, store: LabelStore, found: KeptObject, window: Window | None
    ) -> KeptObject:
        """The object with the mask that the labels hold of it; itself when it has that one."""
        reach = self._reach.get((store.key, found.key))
        around = union(found.mask.bounds, window, reach)
        if around is None:
            return found
        self._reach[store.key, found.key] = around
        held = store.read(found.index, around) == found.label
        mask = PackedMask.of(PlacedMask(around.y, around.x, held))
        if mask != found.mask and (mask.area or found.area):
            return replace(found, mask=mask)
        return found


def typical_of(spans: Sequence[int]) -> float | None:
    """The typical size of kept objects, image pixels; None while there is none to speak of.

    The median of their spans, once there are at least three and the largest tenth is at most 2.5
    times the smallest: where sizes differ more, each object gets a window of its own.
    Objects that were erased since have no size.
    """
    spans = [span for span in spans if span]
    if len(spans) < ALIKE_MIN_OBJECTS:
        return None
    small, middle, large = np.percentile(spans, (10, 50, 90))
    return float(middle) if small > 0 and large / small <= ALIKE_MAX_RATIO else None


def _keys(edit: LabelEdit, labels: Iterable[int]) -> list[ObjectKey]:
    """The keys that objects of those labels have on the plane of an edit."""
    return [(label, edit.plane) for label in labels]


def _without(found: KeptObject, edit: LabelEdit) -> KeptObject:
    """The object without the pixels that an edit changes."""
    left = found.mask.placed().without(edit.changed.placed())
    return replace(found, mask=PackedMask.of(left))
