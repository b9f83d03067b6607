"""Labels that are written from outside the session, by a viewer's brush above all.

The list of objects and the journal follow them. Nothing of it is a step of the session: a stroke
is undone by the tool that painted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import bounding_window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.session.label_edit import LabelEdit, uniform
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.objects import KeptObject, ObjectEdit, ObjectRegistry
from napari_pisam.session.plane import PlaneIndex

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """Pixels of one plane that a brush has written.

    touched: image pixels. labels: the values that they were given.
    """

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


def window_on_plane(spans: Spans, index: PlaneIndex) -> Window | None:
    """The rectangle of a block of labels that lies on a plane; None when there is none."""
    if any(
        p is not None and not low <= p < high for p, (low, high) in zip(index, spans, strict=True)
    ):
        return None
    (top, bottom), (left, right) = (s for p, s in zip(index, spans, strict=True) if p is None)
    return Window(top, left, bottom - top, right - left)


def stroke_edit(registry: ObjectRegistry, store: LabelStore, stroke: Stroke) -> ObjectEdit:
    """Refresh the objects that a stroke may have changed, and return the change for the journal.

    An object of which nothing is left stays in the list with an empty mask.
    """
    removed, added = list[KeptObject](), list[KeptObject]()
    for found in registry.of(store.key):
        window, bounds = window_on_plane(stroke.spans, found.index), found.mask.bounds
        if window is None:
            continue
        reached = bounds is not None and bounds.intersection(window) is not None
        if not reached and found.label not in stroke.labels:
            continue
        refreshed = registry.refresh(store, found.key, window)
        if refreshed is not None and refreshed is not found:
            removed.append(found)
            added.append(refreshed)
    written = _already_written(store, stroke.index, stroke.touched)
    return ObjectEdit(store, (written,), removed=tuple(removed), added=tuple(added))


def refresh_edit(
    registry: ObjectRegistry, store: LabelStore, found: KeptObject
) -> ObjectEdit | None:
    """Refresh one object, after a change of labels of unknown place; None when it is as before."""
    refreshed = registry.refresh(store, found.key, None)
    if refreshed is None or refreshed is found:
        return None
    window = bounding_window(found.mask, refreshed.mask)
    if window is None:
        return None
    before, after = (m.placed().in_window(window) for m in (found.mask, refreshed.mask))
    changed = PackedMask.of(PlacedMask(window.y, window.x, before != after))
    written = _already_written(store, found.index, changed)
    return ObjectEdit(store, (written,), removed=(found,), added=(refreshed,))


def _already_written(store: LabelStore, index: PlaneIndex, pixels: PackedMask) -> LabelEdit:
    """An edit of those pixels to the labels that they have already: its inverse does nothing."""
    box = pixels.bounds
    if box is None:
        return LabelEdit(index, pixels, 0, 0)
    values = uniform(store.read(index, box)[pixels.placed().mask])
    return LabelEdit(index, pixels, values, values)


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
