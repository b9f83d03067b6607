"""Whatever a person does in whatever order, and whenever results arrive."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.commit import object_edit
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.label_store import LabelStoreError
from napari_pisam.session.objects import KeptObject, ObjectEdit
from napari_pisam.session.options import Options
from tests.session.label_stores import RefusingStore
from tests.session.test_session import HEIGHT, WIDTH, Desktop, plane

places = st.tuples(st.integers(-2, HEIGHT + 1), st.integers(-2, WIDTH + 1))
signs = st.sampled_from([None, True, False])


def inside(mask: PlacedMask) -> PackedMask:
    """The part of a mask that lies in the image."""
    return PackedMask.of(PlacedMask(0, 0, mask.in_image(HEIGHT, WIDTH)))


class SessionMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.store = RefusingStore(np.zeros((2, HEIGHT, WIDTH), np.uint16))
        self.desktop = Desktop(at_once=False, store=self.store)
        self.session = self.desktop.session

    @rule(place=places, sign=signs, prompt=st.booleans())
    def click(self, place: tuple[int, int], sign: bool | None, prompt: bool) -> None:
        self.session.click(Click(*place, sign), prompt=prompt)

    @rule(place=places, size=st.integers(1, 40))
    def box(self, place: tuple[int, int], size: int) -> None:
        self.session.set_box(Box(place[0], place[1], place[0] + size, place[1] + size))

    @rule()
    def clear_points(self) -> None:
        self.session.set_points(())

    @rule()
    def keep(self) -> None:
        self.session.keep()

    @rule()
    def drop(self) -> None:
        self.session.drop()

    @rule()
    def flip(self) -> None:
        self.session.flip()

    @rule(times=st.integers(1, 4))
    def undo(self, times: int) -> None:
        for _ in range(times):
            self.session.undo()

    @rule(times=st.integers(1, 4))
    def redo(self, times: int) -> None:
        for _ in range(times):
            self.session.redo()

    @rule()
    def undo_then_redo_is_nothing(self) -> None:
        self.desktop.deliver()
        labels, active = self.desktop.store.labels.copy(), self.session.active_object
        done = bool(self.session.can_undo)
        self.session.undo()
        if done and self.session.can_redo:
            self.session.redo()
            self.desktop.deliver()
            assert np.array_equal(self.desktop.store.labels, labels)
            assert active is not None
            assert self.session.active_object is not None
            assert self.session.active_object.prompt == active.prompt

    def track(self, place: tuple[int, int], size: int) -> ObjectEdit | None:
        """An object on both planes, a square that moves by three pixels from one to the other."""
        label = self.store.next_label()
        square, (y, x) = np.ones((size, size), np.bool_), place
        masks = [inside(PlacedMask(y + 3 * z, x + 3 * z, square)) for z in (0, 1)]
        objects = [
            KeptObject(label, self.store.key, "a", (z, None, None), mask, Prompt())
            for z, mask in enumerate(masks)
        ]
        try:
            return object_edit(
                self.session.registry, self.store, objects, policy=self.session.options.overlap
            )
        except LabelStoreError:
            return None

    @rule(place=places, size=st.integers(1, 60))
    def propagate(self, place: tuple[int, int], size: int) -> None:
        edit = self.track(place, size)
        if edit is not None:
            self.session.edit_objects("propagate", edit)

    @rule(place=places, size=st.integers(1, 60), refused=st.integers(0, 1))
    def propagating_into_labels_that_refuse_a_plane_changes_nothing(
        self, place: tuple[int, int], size: int, refused: int
    ) -> None:
        edit = self.track(place, size)
        if edit is None or not all(e.changed.area for e in edit.edits):
            return
        labels, objects = self.store.labels.copy(), self.session.registry.of("array")
        steps = self.steps
        self.store.refused = (refused, None, None)
        self.session.edit_objects("propagate", edit)
        self.store.refused = None
        assert self.desktop.message[-1] == ("error", "The plane refuses.")
        assert np.array_equal(self.store.labels, labels)
        assert self.session.registry.of("array") == objects
        assert self.steps == steps

    @property
    def steps(self) -> int:
        """How many steps can be undone on the plane that is worked on."""
        plane = self.session.plane
        return sum(len(s.history.done) for s in self.session.plane_states if s.plane is plane)

    @rule(refused=st.integers(0, 1))
    def undoing_or_redoing_in_labels_that_refuse_changes_all_planes_or_none(
        self, refused: int
    ) -> None:
        labels = self.store.labels.copy()
        self.store.refused = (refused, None, None)
        steps = self.steps
        self.session.undo()
        if self.steps == steps:
            assert np.array_equal(self.store.labels, labels)
        self.store.refused = None

    @rule(index=st.integers(0, 1))
    def work_on_a_plane(self, index: int) -> None:
        self.session.look_at(plane(index=index))

    @rule(policy=st.sampled_from(Overlap))
    def choose(self, policy: Overlap) -> None:
        self.session.options = Options(overlap=policy)

    @rule(pick=st.integers(0, 30))
    def reopen(self, pick: int) -> None:
        objects = self.session.registry.of("array")
        if objects:
            self.session.reopen(objects[pick % len(objects)])

    @rule(pick=st.integers(0, 30))
    def remove(self, pick: int) -> None:
        objects = self.session.registry.of("array")
        if objects:
            self.session.remove(objects[pick % len(objects)], self.desktop.store)

    @rule(newest_first=st.booleans())
    def deliver(self, newest_first: bool) -> None:
        self.desktop.deliver(newest_first=newest_first)

    @rule()
    def deliver_one_or_fail(self) -> None:
        if self.desktop.open:
            self.session.fail(self.desktop.open.pop(0).id, "It failed.")

    @invariant()
    def the_list_is_what_the_labels_hold(self) -> None:
        objects = self.session.registry.of("array")
        held = {
            (int(label), (z, None, None))
            for z, labels in enumerate(self.store.labels)
            for label in np.unique(labels[labels > 0])
        }
        assert {o.key for o in objects} == held
        assert len(objects) == len(held)
        for kept in objects:
            placed = kept.mask.placed()
            assert kept.index[0] is not None
            level = self.store.labels[kept.index[0]]
            assert np.array_equal(placed.in_image(HEIGHT, WIDTH), level == kept.label)
            assert kept.area == (level == kept.label).sum()

    @invariant()
    def an_open_request_has_somebody_who_waits(self) -> None:
        wanted = [request for request in self.desktop.open if self.session.is_wanted(request.id)]
        assert bool(wanted) == self.session.busy

    @invariant()
    def a_settled_object_has_signs_only(self) -> None:
        active = self.session.active_object
        if active is not None and active.settled:
            assert all(c.positive is not None for c in active.prompt.corrections)


SessionMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, derandomize=True
)
TestSession = SessionMachine.TestCase
