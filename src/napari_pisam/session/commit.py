"""How a active object becomes a kept one, and how a kept one is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import bounding_window
from napari_pisam.masks.cleaning import Cleaning, cleaned
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.results import SegmentResult
from napari_pisam.session.history import ActiveObject
from napari_pisam.session.label_edit import (
    KeptObject,
    LabelEdit,
    Overlap,
    edit_between,
    labels_after,
)
from napari_pisam.session.label_store import LabelStore, LabelStoreError
from napari_pisam.session.objects import ObjectEdit, ObjectRegistry
from napari_pisam.session.plane import ImagePlane

ALIKE_MIN_OBJECTS = 3
ALIKE_MAX_RATIO = 2.5


def typical_of(spans: Sequence[int]) -> float | None:
    """The typical size of kept objects, image pixels; None while there is none to speak of.

    The median of their spans, once there are at least three and the largest tenth is at most 2.5
    times the smallest: where sizes differ more, each object is better looked at on its own.
    Objects that were erased since have no size.
    """
    spans = [span for span in spans if span]
    if len(spans) < ALIKE_MIN_OBJECTS:
        return None
    small, middle, large = np.percentile(spans, (10, 50, 90))
    return float(middle) if small > 0 and large / small <= ALIKE_MAX_RATIO else None


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
    registry: ObjectRegistry,
    store: LabelStore,
    found: KeptObject,
    *,
    mask: PlacedMask,
    policy: Overlap,
) -> ObjectEdit:
    """The edit that writes an object's mask to the labels and puts it in the list.

    found: the object as it shall be listed; its mask is replaced by the pixels that it gets.
    Raises LabelStoreError when it gets none.
    """
    before = registry.find(store.key, found.label, found.index)
    window = bounding_window(mask, *([before.mask] if before else []))
    if window is None:
        raise LabelStoreError("The mask is empty: correct it, or drop it with Esc.")
    region = store.read(found.index, window)
    new = labels_after(region, mask.in_window(window), found.label, policy=policy)
    if policy is Overlap.CUT_OUT:
        return registry.edit(store, found.index, window, new=new)
    own = PackedMask.of(PlacedMask(window.y, window.x, new == found.label))
    if not own.area:
        raise LabelStoreError(
            "Finished objects cover all of this mask: choose “overwrite” to replace them."
        )
    return registry.edit(store, found.index, window, new=new, kept=replace(found, mask=own))


def removal_edit(registry: ObjectRegistry, store: LabelStore, kept: KeptObject) -> ObjectEdit:
    """The edit that takes an object out of the labels and the list."""
    if not kept.area:
        return ObjectEdit(store, LabelEdit(kept.index, kept.mask, 0, 0), removed=(kept,))
    placed = kept.mask.placed()
    window = Window(placed.y, placed.x, *placed.mask.shape)
    old = store.read(kept.index, window)
    new = np.where(placed.mask & (old == kept.label), 0, old)
    return ObjectEdit(store, edit_between(kept.index, window, old, new), removed=(kept,))


def kept_object(
    active: ActiveObject,
    result: SegmentResult,
    plane: ImagePlane,
    *,
    label: int,
    store: str,
    seconds: float,
) -> KeptObject:
    """The active object as the list will show it."""
    return KeptObject(
        label=label,
        store=store,
        image=plane.key.image,
        index=plane.key.index,
        mask=PackedMask.of(result.placed),
        prompt=active.prompt,
        window=result.window,
        object_size=active.object_size,
        seconds=seconds,
        model=result.model,
    )


def final_mask(result: SegmentResult, cleaning: Cleaning) -> PlacedMask:
    """The mask as it is kept."""
    return cleaned(result.placed, cleaning).cropped()
