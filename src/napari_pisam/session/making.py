"""How a running object becomes a kept one, and how a kept one is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.prompts import PlacedMask
from napari_pisam.session.answer import Answer
from napari_pisam.session.book import Book, BookEdit
from napari_pisam.session.canvas import CanvasError, LabelCanvas
from napari_pisam.session.history import Running
from napari_pisam.session.keeping import (
    Cleaning,
    KeptObject,
    LabelEdit,
    Overlap,
    bounding_window,
    cleaned,
    edit_between,
    labels_after,
)
from napari_pisam.session.packed import PackedMask
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


def label_for(running: Running, canvas: LabelCanvas) -> int:
    """The label it had there before, else a new one; raises CanvasError when none is left."""
    if running.label is not None and running.canvas == canvas.key:
        return running.label
    label = canvas.next_label()
    if label > canvas.largest_value:
        raise CanvasError(
            f"These labels hold no number above {canvas.largest_value}: convert the layer to a "
            "wider type, or choose a new labels layer."
        )
    return label


def object_edit(
    book: Book,
    canvas: LabelCanvas,
    found: KeptObject,
    *,
    mask: PlacedMask,
    policy: Overlap,
) -> BookEdit:
    """The edit that writes an object's mask to the labels and puts it in the list.

    found: the object as it shall be listed; its mask is replaced by the pixels that it gets.
    Raises CanvasError when it gets none.
    """
    before = book.find(canvas.key, found.label, found.index)
    window = bounding_window(mask, *([before.mask] if before else []))
    if window is None:
        raise CanvasError("The mask is empty: correct it, or drop it with Esc.")
    region = canvas.read(found.index, window)
    inside = PlacedMask(mask.y - window.y, mask.x - window.x, mask.mask)
    new = labels_after(
        region, inside.in_image(window.height, window.width), found.label, policy=policy
    )
    if policy is Overlap.CUT_OUT:
        return book.edit(canvas, found.index, window, new=new)
    own = PackedMask.of(PlacedMask(window.y, window.x, new == found.label))
    if not own.area:
        raise CanvasError(
            "Finished objects cover all of this mask: choose “overwrite” to replace them."
        )
    return book.edit(canvas, found.index, window, new=new, kept=replace(found, mask=own))


def removal_edit(book: Book, canvas: LabelCanvas, kept: KeptObject) -> BookEdit:
    """The edit that takes an object out of the labels and the list."""
    if not kept.area:
        return BookEdit(canvas, LabelEdit(kept.index, kept.mask, 0, 0), gone=(kept,))
    placed = kept.mask.placed()
    window = Window(placed.y, placed.x, *placed.mask.shape)
    old = canvas.read(kept.index, window)
    new = np.where(placed.mask & (old == kept.label), 0, old)
    return BookEdit(canvas, edit_between(kept.index, window, old, new), gone=(kept,))


def kept_object(
    running: Running, answer: Answer, plane: ImagePlane, *, label: int, canvas: str, seconds: float
) -> KeptObject:
    """The running object as the list will show it."""
    return KeptObject(
        label=label,
        canvas=canvas,
        image=plane.key.image,
        index=plane.key.index,
        mask=PackedMask.of(answer.mask),
        prompt=running.prompt,
        window=answer.window,
        object_size=running.object_size,
        seconds=seconds,
        model=answer.model,
    )


def final_mask(answer: Answer, cleaning: Cleaning) -> PlacedMask:
    """The mask as it is kept."""
    return cleaned(answer.mask, cleaning).cropped()
