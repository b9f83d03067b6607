"""From a mask to labels: who wins where objects overlap, edits that can be undone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Prompt
from napari_pisam.session.plane import PlaneIndex

LabelArray = NDArray[Any]


class Overlap(StrEnum):
    """What happens where a new mask lies on finished objects."""

    PROTECT = "protect"  # finished objects keep their pixels
    OVERWRITE = "overwrite"  # the new object takes them
    CUT_OUT = "cut out"  # the mask becomes background, no object is added


@dataclass(frozen=True, slots=True, eq=False)
class KeptObject:
    """A finished object and how it came about.

    label: its value in the labels. span: longer side of its box, image pixels. seconds: what the
    person spent from the first click to keeping it. window, object_size, model: what the mask was
    made with, so that the object can be opened again.
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
        """How often the person said something about it: points, box, rough mask, corrections."""
        said = (self.prompt.box is not None) + (self.prompt.mask is not None)
        return said + len(self.prompt.points) + len(self.prompt.corrections)


@dataclass(frozen=True, slots=True, eq=False)
class LabelEdit:
    """A change of labels in one rectangle of one plane.

    changed: the pixels that change. old, new: their labels, one number where all are the same,
    else one per changed pixel in the order of numpy.nonzero.
    """

    index: PlaneIndex
    changed: PackedMask
    old: int | NDArray[np.int64]
    new: int | NDArray[np.int64]

    @property
    def window(self) -> Window | None:
        """The rectangle; None when nothing changes."""
        return self.changed.bounds

    @property
    def inverse(self) -> LabelEdit:
        """The edit that takes this one back."""
        return replace(self, old=self.new, new=self.old)

    def applied_to(self, region: LabelArray) -> LabelArray:
        """The rectangle's labels after the edit.

        Pixels that somebody else changed in the meantime (they are not `old`) stay as they are.
        """
        where = self.changed.placed().mask
        result = region.copy()
        values = region[where]
        result[where] = np.where(values == self.old, self.new, values)
        return result


def uniform(values: LabelArray) -> int | NDArray[np.int64]:
    """One number for an array that holds only one."""
    wide = values.astype(np.int64)
    if wide.size and (wide == wide[0]).all():
        return int(wide[0])
    return wide


def edit_between(index: PlaneIndex, window: Window, old: LabelArray, new: LabelArray) -> LabelEdit:
    """The edit that makes `new` of `old`, both the labels of that rectangle."""
    changed = old != new
    packed = PackedMask.of(PlacedMask(window.y, window.x, changed))
    return LabelEdit(index, packed, uniform(old[changed]), uniform(new[changed]))


def labels_after(
    region: LabelArray, mask: NDArray[np.bool_], label: int, policy: Overlap
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
