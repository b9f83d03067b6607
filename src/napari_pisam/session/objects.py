"""The kept objects of all labels, and the edits that put them there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import union
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.session.label_edit import (
    KeptObject,
    LabelArray,
    LabelEdit,
    edit_between,
)
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import PlaneIndex

ObjectKey = tuple[int, PlaneIndex]
"""Label and plane: one label may go through many planes."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectEdit:
    """One change of labels and of the list of objects, which can be taken back.

    removed, added: the objects of the list before and after, those that the change touches.
    """

    store: LabelStore
    labels: LabelEdit
    removed: tuple[KeptObject, ...] = ()
    added: tuple[KeptObject, ...] = ()

    @property
    def inverse(self) -> ObjectEdit:
        """The edit that takes this one back."""
        return ObjectEdit(self.store, self.labels.inverse, self.added, self.removed)


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
        objects = self._objects.setdefault(edit.store.key, {})
        index, window = edit.labels.index, edit.labels.window
        labels, touched = edit.labels, set[int]()
        if window is not None:
            before = edit.store.read(index, window)
            after = edit.labels.applied_to(before)
            edit.store.write(index, window, after)
            labels, changed = edit_between(index, window, before, after), before != after
            touched = {*np.unique(before[changed]).tolist(), *np.unique(after[changed]).tolist()}
        listed = dict(objects)
        for gone in edit.removed:
            objects.pop((gone.label, gone.index), None)
        for come in edit.added:
            objects[come.label, come.index] = come
            touched.add(come.label)
        held = {key for key, found in objects.items() if found.area}
        for label in touched:
            again = self.look_again(edit.store, (label, index), window)
            if again is not None and not again.area and (label, index) in held:
                del objects[label, index]
        return ObjectEdit(
            edit.store,
            labels,
            removed=tuple(o for key, o in listed.items() if objects.get(key) is not o),
            added=tuple(o for key, o in objects.items() if listed.get(key) is not o),
        )

    def look_again(
        self, store: LabelStore, key: ObjectKey, window: Window | None
    ) -> KeptObject | None:
        """Make one object of the list what the labels hold of it, and return it; None for no such.

        window: where its labels may have changed, beyond where it was ever seen. Nothing left of
        it, its mask is empty.
        """
        objects = self._objects.get(store.key, {})
        found = objects.get(key)
        if found is None:
            return None
        reach = self._reach.get((store.key, key))
        around = union(found.mask.bounds, window, reach)
        if around is None:
            return found
        self._reach[store.key, key] = around
        held = store.read(found.index, around) == found.label
        mask = PackedMask.of(PlacedMask(around.y, around.x, held))
        if mask != found.mask and (mask.area or found.area):
            found = objects[key] = replace(found, mask=mask)
        return found

    def edit(
        self,
        store: LabelStore,
        index: PlaneIndex,
        window: Window,
        *,
        new: LabelArray,
        kept: KeptObject | None = None,
    ) -> ObjectEdit:
        """The edit that gives a rectangle new labels; objects that lose pixels shrink or go.

        kept: the object that this is about, as it will stand in the list.
        """
        old = store.read(index, window)
        labels = edit_between(index, window, old, new)
        touched = set(np.unique(old[old != new]).tolist())
        own = kept.label if kept is not None else None
        gone, come = [], []
        for found in self.of(store.key):
            if found.index != index:
                continue
            if found.label == own:
                gone.append(found)
            elif found.label in touched:
                gone.append(found)
                left = _without(found.mask, labels.changed)
                if left.area:
                    come.append(replace(found, mask=left))
        if kept is not None:
            come.append(kept)
        return ObjectEdit(store, labels, tuple(gone), tuple(come))


def _without(mask: PackedMask, taken: PackedMask) -> PackedMask:
    """What is left of a mask."""
    return PackedMask.of(mask.placed().without(taken.placed()))
