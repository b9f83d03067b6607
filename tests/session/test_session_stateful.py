"""Whatever a person does in whatever order, and whenever answers arrive."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from napari_pisam.prompts import Box, Click
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.options import Options
from tests.session.test_session import HEIGHT, WIDTH, Desktop, plane

places = st.tuples(st.integers(-2, HEIGHT + 1), st.integers(-2, WIDTH + 1))
signs = st.sampled_from([None, True, False])


class SessionMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.desktop = Desktop(at_once=False)
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

    @rule(index=st.integers(0, 1))
    def look(self, index: int) -> None:
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
        labels = self.desktop.store.labels
        objects = self.session.registry.of("array")
        held: dict[int, int] = dict(
            zip(*np.unique(labels[labels > 0], return_counts=True), strict=True)
        )
        assert {o.label: o.area for o in objects} == held
        for kept in objects:
            placed = kept.mask.placed()
            level = labels[kept.index[0] or 0]
            assert np.array_equal(placed.in_image(HEIGHT, WIDTH), level == kept.label)

    @invariant()
    def an_open_question_has_somebody_who_waits(self) -> None:
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
