"""Labels that somebody else writes, a brush above all: the list of objects and the journal follow.

Nothing of it is a step of the session: who painted takes it back where it was painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.session.label_edit import KeptObject, LabelArray, LabelEdit, uniform
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.objects import ObjectEdit, ObjectRegistry
from napari_pisam.session.plane import PlaneIndex

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """Pixels of one plane that were written by hand. labels: the values they were given."""

    index: PlaneIndex
    touched: PackedMask
    labels: frozenset[int]

    @property
    def spans(self) -> Spans:
        """First position and the one after the last, on each axis of the labels."""
        t = self.touched
        return spans_of(self.index, Window(t.y, t.x, t.height, t.width))


def spans_of(index: PlaneIndex, window: Window) -> Spans:
    """First position and the one after the last of a rectangle, on each axis of the labels."""
    sides = iter(((window.y, window.y + window.height), (window.x, window.x + window.width)))
    return tuple(next(sides) if p is None else (p, p + 1) for p in index)


def on_plane(spans: Spans, index: PlaneIndex) -> Window | None:
    """The part of such a block that lies on a plane; None when there is none."""
    if any(
        p is not None and not low <= p < high for p, (low, high) in zip(index, spans, strict=True)
    ):
        return None
    (top, bottom), (left, right) = (s for p, s in zip(index, spans, strict=True) if p is None)
    return Window(top, left, bottom - top, right - left)


def painted(registry: ObjectRegistry, store: LabelStore, stroke: Stroke) -> ObjectEdit:
    """Look again at the objects that a stroke may have changed; what has, for the journal.

    An object of which nothing is left stays in the list with an empty mask.
    """
    before, after = list[KeptObject](), list[KeptObject]()
    for found in registry.of(store.key):
        window = on_plane(stroke.spans, found.index)
        if window is None or not (found.label in stroke.labels or _meet(found.mask, window)):
            continue
        again = registry.look_again(store, (found.label, found.index), window)
        if again is not None and again is not found:
            before.append(found)
            after.append(again)
    t = stroke.touched
    held = store.read(stroke.index, Window(t.y, t.x, t.height, t.width))
    return ObjectEdit(
        store, _as_it_is(stroke.index, t, held), removed=tuple(before), added=tuple(after)
    )


def redrawn(registry: ObjectRegistry, store: LabelStore, found: KeptObject) -> ObjectEdit | None:
    """Look again at one object, after a change that told no place; None when it is as before."""
    again = registry.look_again(store, (found.label, found.index), None)
    if again is None or again is found:
        return None
    masks = [m for m in (found.mask, again.mask) if m.area]
    y, x = min(m.y for m in masks), min(m.x for m in masks)
    window = Window(
        y, x, max(m.y + m.height for m in masks) - y, max(m.x + m.width for m in masks) - x
    )
    old, new = (
        PlacedMask(m.y - y, m.x - x, m.placed().mask).in_image(window.height, window.width)
        for m in (found.mask, again.mask)
    )
    changed = PackedMask.of(PlacedMask(y, x, old != new))
    held = store.read(found.index, Window(changed.y, changed.x, changed.height, changed.width))
    return ObjectEdit(
        store, _as_it_is(found.index, changed, held), removed=(found,), added=(again,)
    )


def _as_it_is(index: PlaneIndex, places: PackedMask, held: LabelArray) -> LabelEdit:
    """The labels of those places as they stand: an edit whose inverse does nothing."""
    values = uniform(held[places.placed().mask])
    return LabelEdit(index, places, values, values)


def _meet(mask: PackedMask, window: Window) -> bool:
    """Whether the box of a mask and a rectangle have a pixel in common."""
    return bool(
        mask.area
        and mask.y < window.y + window.height
        and window.y < mask.y + mask.height
        and mask.x < window.x + window.width
        and window.x < mask.x + mask.width
    )


def strokes_in(
    touched: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    start: Sequence[int],
    labels: frozenset[int],
) -> list[Stroke]:
    """Strokes on planes from the pixels of a block that were written.

    touched: bool, one axis per axis of the labels. start: where its first pixel lies. The planes
    are those along its two longest axes.
    """
    longest = sorted(sorted(range(touched.ndim), key=lambda a: touched.shape[a])[-2:])
    others = [axis for axis in range(touched.ndim) if axis not in longest]
    planes = np.transpose(touched, (*others, *longest))
    strokes = []
    for place in np.ndindex(*planes.shape[:-2]):
        mask = PlacedMask(int(start[longest[0]]), int(start[longest[1]]), planes[place])
        packed = PackedMask.of(mask)
        if packed.area:
            index: list[int | None] = [None] * touched.ndim
            for axis, position in zip(others, place, strict=True):
                index[axis] = int(start[axis]) + position
            strokes.append(Stroke(tuple(index), packed, labels))
    return strokes
