"""What the person chose for all objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_pisam.masks.cleaning import Cleaning
from napari_pisam.session.label_edit import Overlap


@dataclass(frozen=True, slots=True)
class Options:
    """How objects are segmented and kept.

    object_size: the typical size of an object, image pixels; None takes it from the kept ones.
    """

    overlap: Overlap = Overlap.PROTECT
    cleaning: Cleaning = field(default_factory=Cleaning)
    object_size: float | None = None
