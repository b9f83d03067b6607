from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_pisam.geometry import Window
from napari_pisam.images.source import ArraySource
from napari_pisam.masks.cleaning import Cleaning
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.commit import object_edit
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.label_store import ArrayLabelStore, LabelStore, LabelStoreError
from napari_pisam.session.objects import KeptObject, ObjectEdit, typical_of
from napari_pisam.session.options import Options
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.session import Session
from tests.session.discs import DiscEngine, result_of
from tests.session.label_stores import RefusingStore

HEIGHT, WIDTH = 120, 160


def plane(image: str = "a", index: int = 0, version: str = "1") -> ImagePlane:
    source = ArraySource(np.zeros((HEIGHT, WIDTH), np.uint8))
    return ImagePlane(PlaneKey(image, (index, None, None)), source, version)


class Desktop:
    """A session on an array, whose requests get their results by hand or at once."""

    def __init__(self, *, at_once: bool = True, store: ArrayLabelStore | None = None) -> None:
        self.store = store or ArrayLabelStore(np.zeros((2, HEIGHT, WIDTH), np.uint16))
        self.now = 0.0
        self.session = Session(self.store, clock=lambda: self.now)
        self.engine = DiscEngine()
        self.open: list[SegmentRequest] = []
        self.message: list[tuple[str, str]] = []
        self.requests = 0
        self.session.requested.connect(self._ask)
        self.session.message.connect(lambda level, text: self.message.append((level, text)))
        self.at_once = at_once
        self.session.look_at(plane())

    def _ask(self, request: SegmentRequest) -> None:
        self.requests += 1
        self.open.append(request)
        if self.at_once:
            self.deliver()

    def deliver(self, *, newest_first: bool = False) -> None:
        while self.open:
            request = self.open.pop(-1 if newest_first else 0)
            self.session.accept(self.engine.at_once(request))

    @property
    def objects(self) -> list[int]:
        return [o.label for o in self.session.registry.of("array")]

    @property
    def prompt(self) -> Prompt:
        assert self.session.active_object is not None
        return self.session.active_object.prompt

    def covers(self, y: float, x: float) -> bool:
        assert self.session.active_object is not None
        result = self.session.active_object.result
        return result is not None and result.covers(Click(y, x))


@pytest.fixture
def desktop() -> Desktop:
    return Desktop()


def test_the_first_click_prompts_and_the_next_ones_correct(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    assert desktop.prompt.points == (Click(50, 50, True),)
    session.click(Click(50, 55, None))
    session.click(Click(50, 70, None))
    assert desktop.prompt.corrections == (Click(50, 55, False), Click(50, 70, True))
    assert desktop.covers(50, 70)
    assert not desktop.covers(50, 55)


def test_a_modifier_adds_a_prompt_instead(desktop: Desktop) -> None:
    desktop.session.click(Click(50, 50, None))
    desktop.session.click(Click(50, 60, False), prompt=True)
    assert desktop.prompt.points == (Click(50, 50, True), Click(50, 60, False))


def test_clicks_outside_the_image_are_reported_and_ignored(desktop: Desktop) -> None:
    desktop.session.click(Click(-3, 5, None))
    desktop.session.click(Click(5, WIDTH, None))
    assert desktop.prompt.empty
    assert desktop.message == [("info", "That click is outside the image.")] * 2


def test_only_negative_points_request_nothing(desktop: Desktop) -> None:
    desktop.session.click(Click(5, 5, False), prompt=True)
    assert desktop.requests == 0
    desktop.session.keep()
    assert desktop.message[-1][1].startswith("There is nothing to keep yet")


def test_keep_writes_the_mask_and_the_next_click_starts_the_next_object(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    desktop.now = 4.0
    session.keep()
    session.click(Click(20, 120, None))
    session.keep()
    assert desktop.objects == [1, 2]
    labels = desktop.store.labels
    assert labels[0, 50, 50] == 1
    assert labels[0, 20, 120] == 2
    assert not labels[1].any()
    first = session.registry.of("array")[0]
    assert first.area == (labels == 1).sum()
    assert (first.seconds, first.clicks) == (4.0, 1)


def test_undo_and_redo_of_clicks_request_nothing(desktop: Desktop) -> None:
    session = desktop.session
    for x in (50, 58, 66):
        session.click(Click(50, x, None))
    seen = [desktop.covers(50, 66)]
    before = desktop.requests
    for _ in range(3):
        session.undo()
        seen.append(desktop.covers(50, 66))
    assert desktop.prompt == Prompt()
    assert session.active_object is not None
    assert session.active_object.result is None
    for _ in range(3):
        session.redo()
    assert desktop.covers(50, 66)
    assert desktop.requests == before
    assert seen == [True, False, False, False]
    session.undo()
    session.click(Click(50, 40, None))
    assert not session.can_redo


def test_undo_of_a_kept_object_brings_it_back_with_its_clicks_and_its_label(
    desktop: Desktop,
) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.undo()
    assert not desktop.store.labels.any()
    assert desktop.objects == []
    assert desktop.covers(50, 50)
    session.click(Click(50, 64, None))
    session.keep()
    assert desktop.objects == [1]
    assert desktop.store.labels[0, 50, 64] == 1
    before = desktop.store.labels.copy()
    session.undo()
    session.redo()
    assert np.array_equal(desktop.store.labels, before)
    assert desktop.objects == [1]


def test_drop_and_undo(desktop: Desktop) -> None:
    desktop.session.click(Click(50, 50, None))
    desktop.session.drop()
    assert desktop.prompt == Prompt()
    desktop.session.drop()
    desktop.session.undo()
    assert desktop.covers(50, 50)


def test_flip_turns_the_last_correction(desktop: Desktop) -> None:
    session = desktop.session
    session.flip()
    session.click(Click(50, 50, None))
    session.flip()
    assert [text for _, text in desktop.message] == ["There is no correction to flip yet."] * 2
    session.click(Click(50, 70, None))
    session.flip()
    assert desktop.prompt.corrections == (Click(50, 70, False),)
    assert not desktop.covers(50, 70)


def test_finished_objects_are_protected_by_default(desktop: Desktop) -> None:
    session = desktop.session
    for x in (50, 60):
        session.click(Click(50, x, None))
        session.keep()
    assert desktop.store.labels[0, 50, 55] == 1
    session.click(Click(50, 50, None))
    session.keep()
    assert desktop.objects == [1, 2]
    assert desktop.message[-1][0] == "error"
    assert "overwrite" in desktop.message[-1][1]
    assert desktop.covers(50, 50), "an object that cannot be kept must not be lost"


def test_overwriting_shrinks_or_removes_what_lies_below_and_undo_restores_it(
    desktop: Desktop,
) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    area = session.registry.of("array")[0].area
    session.options = Options(overlap=Overlap.OVERWRITE)
    session.click(Click(50, 60, None))
    session.keep()
    assert session.registry.of("array")[0].area == (desktop.store.labels == 1).sum() < area
    session.set_box(Box(10, 10, 100, 100))
    session.keep()
    assert desktop.objects == [3]
    session.undo()
    session.undo()
    assert desktop.objects == [2, 1] or desktop.objects == [1, 2]
    session.undo()
    session.undo()
    assert session.registry.of("array")[0].area == area == (desktop.store.labels == 1).sum()


def test_cutting_out_removes_and_adds_nothing(desktop: Desktop) -> None:
    session = desktop.session
    session.set_box(Box(30, 30, 80, 80))
    session.keep()
    session.options = Options(overlap=Overlap.CUT_OUT)
    session.click(Click(50, 50, None))
    session.keep()
    assert desktop.objects == [1]
    assert desktop.store.labels[0, 50, 50] == 0
    assert session.registry.of("array")[0].area == (desktop.store.labels == 1).sum()


def test_cleaning_happens_on_keeping(desktop: Desktop) -> None:
    session = desktop.session
    session.options = Options(cleaning=Cleaning(specks=200))
    session.set_box(Box(30, 30, 80, 80))
    session.click(Click(100, 120, None))
    session.keep()
    assert not desktop.store.labels[0, 100, 120]


def test_reopening_brings_the_prompts_back_and_keeping_replaces_the_object(
    desktop: Desktop,
) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.click(Click(50, 64, None))
    session.keep()
    kept = session.registry.of("array")[0]
    session.reopen(kept)
    assert desktop.prompt == kept.prompt
    session.click(Click(50, 50, None))
    session.keep()
    assert desktop.objects == [1]
    assert desktop.store.labels[0, 50, 50] == 0
    assert desktop.store.labels[0, 50, 64] == 1


def test_reopening_needs_its_plane(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.look_at(plane(index=1))
    session.reopen(session.registry.of("array")[0])
    assert "another plane" in desktop.message[-1][1]


def test_refining_a_mask_replaces_the_label_it_came_from(desktop: Desktop) -> None:
    session = desktop.session
    desktop.store.labels[0, 40:60, 40:60] = 7
    session.refine(
        PlacedMask(40, 40, np.ones((20, 20), np.bool_)), label=7, store=desktop.store.key
    )
    session.click(Click(50, 70, None))
    session.keep()
    assert desktop.objects == [7]
    assert desktop.store.labels[0, 50, 70] == 7


def test_removing_an_object_can_be_undone(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.remove(session.registry.of("array")[0], desktop.store)
    assert desktop.objects == []
    assert not desktop.store.labels.any()
    session.undo()
    assert desktop.objects == [1]
    assert desktop.store.labels[0, 50, 50] == 1


def test_stale_results_are_ignored() -> None:
    desktop = Desktop(at_once=False)
    session = desktop.session
    session.click(Click(50, 50, None))
    session.click(Click(50, 70, None))
    session.click(Click(50, 30, None))
    assert session.busy
    assert session.waiting
    desktop.deliver()
    assert desktop.prompt.corrections == (Click(50, 70, True), Click(50, 30, True))
    assert not session.busy
    stale = result_of(SegmentRequest(1, plane().source, "a", Prompt((Click(9, 9),))))
    session.accept(stale)
    assert not desktop.covers(9, 9)


def test_keeping_does_not_wait_for_the_mask() -> None:
    desktop = Desktop(at_once=False)
    session = desktop.session
    for y in (20, 60, 100):
        session.click(Click(y, 50, None))
        session.keep()
    assert session.busy
    assert not session.waiting
    assert desktop.objects == []
    desktop.deliver()
    assert desktop.objects == [1, 2, 3]
    assert [int(desktop.store.labels[0, y, 50]) for y in (20, 60, 100)] == [1, 2, 3]
    session.undo()
    assert desktop.objects == [1, 2]


def test_undoing_a_keep_whose_mask_has_not_come_cancels_it() -> None:
    desktop = Desktop(at_once=False)
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.undo()
    desktop.deliver()
    assert desktop.objects == []
    assert desktop.covers(50, 50)
    session.redo()
    assert desktop.objects == [1]


def test_a_failed_request_is_reported_and_keeps_what_there_was() -> None:
    desktop = Desktop(at_once=False)
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.fail(desktop.open.pop().id, "The model file is damaged: download it again.")
    assert desktop.message == [("error", "The model file is damaged: download it again.")]
    assert not session.busy
    assert desktop.prompt.points == (Click(50, 50, True),)
    session.keep()
    desktop.deliver()
    assert desktop.objects == [1]


def test_each_plane_has_its_own_object_and_its_own_history(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.look_at(plane(index=1))
    assert desktop.prompt == Prompt()
    assert not session.can_undo
    session.click(Click(30, 30, None))
    session.keep()
    session.look_at(plane(index=0))
    assert desktop.covers(50, 50)
    session.keep()
    assert desktop.store.labels[1, 30, 30] == 1
    assert desktop.store.labels[0, 50, 50] == 2


def test_new_pixels_or_another_model_request_again(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.look_at(plane(version="2"))
    assert desktop.requests == 2
    session.look_at(plane(version="2"))
    assert desktop.requests == 2
    session.request_again()
    assert desktop.requests == 3
    assert desktop.covers(50, 50)


def test_a_correction_keeps_the_window_and_a_new_point_does_not() -> None:
    desktop = Desktop()
    requests: list[SegmentRequest] = []
    desktop.session.requested.connect(requests.append)
    for click, prompt in (
        (Click(50, 50, None), False),
        (Click(52, 50, None), False),
        (Click(60, 60, True), True),
        (Click(110, 150, None), False),
    ):
        desktop.session.click(click, prompt=prompt)
    windows = [request.window for request in requests]
    assert windows[0] is None
    assert isinstance(windows[1], Window)
    assert windows[2] is None
    assert windows[3] is None, "a correction outside the window needs a larger one"


def test_the_typical_size_comes_from_objects_that_are_alike(desktop: Desktop) -> None:
    session = desktop.session
    assert session.typical_size is None
    for y in (20, 60, 100):
        session.click(Click(y, 50, None))
        session.keep()
    assert session.typical_size == 25
    session.options = Options(object_size=40.0)
    session.click(Click(20, 120, None))
    assert session.active_object is not None
    assert session.active_object.object_size == 40.0


@pytest.mark.parametrize(
    ("spans", "typical"),
    [
        ([], None),
        ([10, 12], None),
        ([8, 10, 12], 10),
        ([8, 10, 12, 14, 19], 12),
        ([0, 8, 0, 10, 12], 10),
        ([0, 0, 0], None),
        ([10, 10, 30, 30], None),
    ],
)
def test_a_typical_size_is_the_middle_of_sizes_that_are_alike(
    spans: list[int], typical: float | None
) -> None:
    assert typical_of(spans) == typical


def test_objects_of_another_image_say_nothing_of_the_typical_size(desktop: Desktop) -> None:
    session = desktop.session
    for y in (20, 60, 100):
        session.click(Click(y, 50, None))
        session.keep()
    assert session.typical_size is not None
    session.look_at(plane("b"))
    assert session.typical_size is None


def test_a_reopened_object_goes_on_with_its_time_and_its_size(desktop: Desktop) -> None:
    session = desktop.session
    session.options = Options(object_size=40.0)
    session.click(Click(50, 50, None))
    desktop.now = 4.0
    session.keep()
    session.options = Options()
    desktop.now = 100.0
    session.reopen(session.registry.of("array")[0])
    assert session.active_object is not None
    assert session.active_object.object_size == 40.0
    desktop.now = 103.0
    session.keep()
    (again,) = session.registry.of("array")
    assert (again.seconds, again.object_size) == (7.0, 40.0)


def test_removing_an_object_leaves_what_others_have_painted_over_it(desktop: Desktop) -> None:
    session, labels = desktop.session, desktop.store.labels
    session.click(Click(50, 50, None))
    session.keep()
    labels[0, 50, 48:52] = 9
    session.remove(session.registry.of("array")[0], desktop.store)
    assert np.unique(labels).tolist() == [0, 9]
    assert (labels[0, 50, 48:52] == 9).all()


def test_clicks_are_counted_whatever_they_said(desktop: Desktop) -> None:
    session = desktop.session
    session.set_box(Box(30, 30, 60, 60))
    session.click(Click(40, 40, True), prompt=True)
    session.click(Click(80, 80, False), prompt=True)
    session.click(Click(45, 70, None))
    session.keep()
    assert session.registry.of("array")[0].clicks == 4


def test_labels_that_are_full_say_so_and_lose_nothing() -> None:
    desktop = Desktop()
    desktop.store.labels = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    desktop.store.labels[1, 0, 0] = 255
    desktop.session.click(Click(50, 50, None))
    desktop.session.keep()
    assert desktop.message[-1][0] == "error"
    assert "255" in desktop.message[-1][1]
    assert desktop.covers(50, 50)


def test_labels_that_refuse_lose_nothing(monkeypatch: pytest.MonkeyPatch, desktop: Desktop) -> None:
    def refuse(*_: object) -> LabelStore:
        raise LabelStoreError("The labels have another shape than the image.")

    monkeypatch.setattr(desktop.store, "current", refuse)
    desktop.session.click(Click(50, 50, None))
    desktop.session.keep()
    assert desktop.message[-1] == ("error", "The labels have another shape than the image.")
    monkeypatch.undo()
    desktop.session.keep()
    assert desktop.objects == [1]


COMMANDS: list[Callable[[Session], None]] = [
    lambda s: s.click(Click(1, 1, None)),
    lambda s: s.keep(),
    lambda s: s.drop(),
    lambda s: s.undo(),
    lambda s: s.redo(),
    lambda s: s.flip(),
    lambda s: s.set_box(Box(1, 1, 5, 5)),
    lambda s: s.set_points((Click(1, 1),)),
    lambda s: s.request_again(),
    lambda s: s.forget_image("a"),
    lambda s: s.edit_objects("none", ObjectEdit(ArrayLabelStore(np.zeros((1, 9, 9), int)))),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_an_image_every_command_is_harmless(command: Callable[[Session], None]) -> None:
    session = Session(ArrayLabelStore(np.zeros((1, 9, 9), int)))
    command(session)
    assert session.active_object is None


def test_forgetting_an_image_drops_its_unfinished_objects_only(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    session.click(Click(20, 20, None))
    session.forget_image("a")
    assert session.plane is None
    assert desktop.objects == [1]


def test_an_object_kept_before_its_mask_goes_where_it_was_kept_though_its_image_is_gone() -> None:
    desktop = Desktop(at_once=False)
    session, first = desktop.session, desktop.store
    session.click(Click(50, 50, None))
    session.keep()
    desktop.store = ArrayLabelStore(np.zeros((2, HEIGHT, WIDTH), np.uint16), key="other")
    session.look_at(plane("b"))
    session.forget_image("a")
    assert session.busy
    desktop.deliver()
    assert not session.busy
    assert [o.label for o in session.registry.of("array")] == [1]
    assert first.labels[0, 50, 50] == 1
    assert not session.registry.of("other")


def propagated(desktop: Desktop, x: int) -> ObjectEdit:
    """An object through both planes, a square at that column."""
    label, store = desktop.store.next_label(), desktop.store
    mask = PackedMask.of(PlacedMask(40, x, np.ones((20, 20), np.bool_)))
    objects = [KeptObject(label, store.key, "a", (z, None, None), mask, Prompt()) for z in range(2)]
    return object_edit(desktop.session.registry, store, objects, policy=Overlap.OVERWRITE)


def test_a_change_of_several_planes_is_one_step_of_the_plane_that_is_worked_on(
    desktop: Desktop,
) -> None:
    session, written = desktop.session, list[ObjectEdit]()
    session.written.connect(written.append)
    session.click(Click(100, 100, None))
    session.edit_objects("propagate", propagated(desktop, 30))
    assert desktop.objects == [1, 1]
    assert desktop.covers(100, 100), "the active object stays"
    session.look_at(plane(index=1))
    assert not session.can_undo
    session.look_at(plane(index=0))
    session.undo()
    assert desktop.objects == []
    assert not desktop.store.labels.any()
    assert desktop.covers(100, 100)
    session.redo()
    assert [labels.sum() for labels in desktop.store.labels] == [400, 400]
    assert [len(edit.edits) for edit in written] == [2, 2, 2]


def test_undo_and_redo_leave_what_a_step_of_another_plane_has_done_since(desktop: Desktop) -> None:
    session = desktop.session
    session.click(Click(50, 50, None))
    session.keep()
    area = session.registry.of("array")[0].area
    session.look_at(plane(index=1))
    session.edit_objects("propagate", propagated(desktop, 50))
    left = session.registry.of("array")[0].area
    assert 0 < left < area
    session.look_at(plane(index=0))
    labels = desktop.store.labels.copy()
    session.undo()
    assert np.array_equal(desktop.store.labels == 2, labels == 2)
    assert not (desktop.store.labels == 1).any()
    session.redo()
    assert np.array_equal(desktop.store.labels, labels)
    assert [(o.label, o.area) for o in session.registry.of("array")][-1] == (1, left)


def test_redo_brings_back_also_what_a_brush_has_erased(desktop: Desktop) -> None:
    session, labels = desktop.session, desktop.store.labels
    session.click(Click(50, 50, None))
    session.keep()
    kept = labels.copy()
    labels[0, 50, 48:52] = 0
    session.undo()
    assert not labels.any()
    session.redo()
    assert np.array_equal(labels, kept)
    assert session.registry.of("array")[0].area == (kept == 1).sum()


def test_a_change_that_the_labels_refuse_is_no_step(desktop: Desktop) -> None:
    store = RefusingStore(desktop.store.labels)
    desktop.store = store
    edit = propagated(desktop, 30)
    store.refused = (1, None, None)
    desktop.session.edit_objects("propagate", edit)
    assert desktop.message == [("error", "The plane refuses.")]
    assert not desktop.session.can_undo
    assert not store.labels.any()
    assert desktop.objects == []
