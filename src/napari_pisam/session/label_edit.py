"""Changes of labels that can be taken back, and who wins where objects overlap.

What undo, the journal and a brush of the viewer agree on is `LabelEdit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import PlaneIndex

LabelArray = NDArray[Any]


class Overlap(StrEnum):
    """What happens where a new mask lies on finished objects."""

    PROTECT = "protect"  # finished objects keep their pixels
    OVERWRITE = "overwrite"  # the new object takes them
    CUT_OUT = "cut out"  # the mask becomes background, no object is added


@dataclass(frozen=True, slots=True, eq=False)
class LabelEdit:
    """A change of labels in one rectangle of one plane.

    changed: the pixels that change, image pixels. before, after: their labels, one number where
    all are the same, else int64 (changed.area,), in the order of numpy.nonzero.
    """

    plane: PlaneIndex
    changed: PackedMask
    before: int | NDArray[np.int64]
    after: int | NDArray[np.int64]

    @property
    def box(self) -> Window | None:
        """The rectangle round the changed pixels; None when nothing changes."""
        return self.changed.bounds

    @property
    def inverse(self) -> LabelEdit:
        """The edit that takes this one back."""
        return replace(self, before=self.after, after=self.before)

    def applied_to(self, region: LabelArray) -> LabelArray:
        """The labels of `box` after the edit: a copy of the region.

        Pixels that somebody else changed in the meantime (they are not `before`) stay as they are.
        """
        changed = self.changed.placed().mask
        result = region.copy()
        values = region[changed]
        result[changed] = np.where(values == self.before, self.after, values)
        return result

    @property
    def labels_before(self) -> list[int]:
        """The labels that lose pixels, in order; 0 is the background."""
        labels: list[int] = np.unique(self.before).tolist()
        return labels

    @property
    def labels_involved(self) -> list[int]:
        """The labels that lose or gain pixels; 0 is the background."""
        labels: list[int] = np.union1d(self.before, self.after).tolist()
        return labels


def uniform(values: LabelArray) -> int | NDArray[np.int64]:
    """One number for an array that holds only one, else the array as int64."""
    wide = values.astype(np.int64)
    if wide.size and (wide == wide[0]).all():
        return int(wide[0])
    return wide


def edit_between(
    plane: PlaneIndex, window: Window, before: LabelArray, *, after: LabelArray
) -> LabelEdit:
    """The edit that makes `after` of `before`, both the labels of that rectangle."""
    changed = before != after
    packed = PackedMask.of(PlacedMask(window.y, window.x, changed))
    return LabelEdit(plane, packed, uniform(before[changed]), uniform(after[changed]))


@contextmanager
def all_written(store: LabelStore, edits: Sequence[LabelEdit]) -> Iterator[tuple[LabelEdit, ...]]:
    """Write edits to their labels, all of them or none, and give what has really changed.

    An error of the labels, or of the block that follows, puts back what was written. Raises
    LabelStoreError when the labels refuse an edit.
    """
    with ExitStack() as put_back:
        changes = []
        for edit in edits:
            box = edit.box
            if box is not None:
                before = store.read(edit.plane, box)
                after = edit.applied_to(before)
                store.write(edit.plane, box, after)
                put_back.callback(store.write, edit.plane, box, before)
                changes.append(edit_between(edit.plane, box, before, after=after))
        yield tuple(change for change in changes if change.box is not None)
        put_back.pop_all()


def labels_after(
    region: LabelArray, mask: NDArray[np.bool_], label: int, *, policy: Overlap
) -> LabelArray:
    """The labels of a rectangle once a mask has been kept as `label`.

    region: the labels before. mask: bool, the same shape. An object that had that label already
    is replaced, except when cutting out, which only removes.
    """
    result = region.copy()
    if policy is Overlap.CUT_OUT:
        result[mask] = 0
        return result
    result[region == label] = 0
    if policy is Overlap.PROTECT:
        mask = mask & (result == 0)
    result[mask] = label
    return result
