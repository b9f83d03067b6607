"""What is known of one plane that is or was worked on: its active object and its history."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.history import History, Step
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.objects import ObjectEdit
from napari_pisam.session.plane import ImagePlane


@dataclass(frozen=True, slots=True, eq=False)
class PendingKeep:
    """An object that was kept before its mask had come: the step, and the labels it goes to."""

    step_id: int
    store: LabelStore


@dataclass(slots=True, eq=False)
class PlaneState:
    """One plane that is or was worked on: its active object and its history.

    ids: numbers for objects and steps. request_id: the active object's newest request, 0 for none.
    pending_keeps: what is kept once the request of that id has its result.
    """

    plane: ImagePlane
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    history: History = field(default_factory=History)
    request_id: int = 0
    pending_keeps: dict[int, PendingKeep] = field(default_factory=dict)
    active_object: ActiveObject = field(init=False)

    def __post_init__(self) -> None:
        self.active_object = ActiveObject(next(self.ids))

    def do(self, name: str, after: ActiveObject, *, edit: ObjectEdit | None = None) -> Step:
        """One step to another active object, or to another state of the same.

        edit: what it has changed in labels and list.
        """
        step = Step(next(self.ids), name, self.active_object, after, edit)
        self.history.push(step)
        self.active_object = after
        return step

    def update(self, active: ActiveObject) -> None:
        """The state after the newest step is better known; it is no step of its own."""
        self.active_object = active
        self.history.remember(active)
