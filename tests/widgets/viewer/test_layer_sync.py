"""Only the difference is written to layers, and everybody who listens to them hears of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points, Vectors
from napari.layers.base import Layer

from napari_pisam.prompts import Box, Click
from napari_pisam.widgets.viewer.preview_layers import BOX, PREVIEW, UNSURE
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS
from napari_pisam.widgets.viewer.scheduling import WorkQueue
from tests.widgets.viewer.test_workspace import Late

WATCHED = ("data", "features", "face_color", "size", "contrast_limits", "scale", "translate")


@pytest.fixture
def late(tmp_path: Path) -> Late:
    """A workspace over a stack of three planes; its requests are answered when a test says so."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 90, 120), np.uint8), scale=(2, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    return Late(viewer, tmp_path)


@pytest.fixture
def assigned(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often an attribute of a helper layer is assigned, by the kind of layer and its name."""
    count: Counter[str] = Counter()

    def counted(kind: type[Layer], name: str) -> None:
        before = getattr(kind, name)

        def assign(layer: Any, value: Any) -> None:
            if layer.metadata:
                count[f"{kind.__name__}.{name}"] += 1
            before.fset(layer, value)

        monkeypatch.setattr(kind, name, property(before.fget, assign))

    for kind in (Points, Image, Vectors):
        for name in WATCHED:
            if isinstance(getattr(kind, name, None), property):
                counted(kind, name)
    return count


def click(late: Late, y: float, x: float) -> None:
    late.work.session.click(Click(y, x, None))
    late.answer()


def test_a_click_assigns_its_rows_and_its_sign_once(late: Late, assigned: Counter[str]) -> None:
    late.work.session.click(Click(40, 60, None))
    # A new point is on the object until something else is said.
    assert (assigned["Points.data"], assigned["Points.features"]) == (1, 0)
    assert assigned["Image.data"] == 0
    assigned.clear()
    late.answer()
    assert assigned["Image.data"] == 1
    assert assigned["Points.data"] == 0
    late.work.session.click(Click(10, 20, False), prompt=True)
    assigned.clear()
    late.work.session.click(Click(12, 20, False), prompt=True)
    # napari itself gives a new row its size.
    assigned.pop("Points.size")
    assert assigned == {"Points.data": 1, "Points.features": 1, "Points.face_color": 1}


def test_nothing_is_assigned_when_nothing_has_changed(late: Late, assigned: Counter[str]) -> None:
    click(late, 40, 60)
    late.work.session.set_box(Box(20, 30, 60, 90))
    late.answer()
    late.work.toggle_unsure()
    assigned.clear()
    late.work.view.layer_sync.sync()
    late.work.session.changed.emit()
    late.work.view.layer_sync.fit_zoom()
    assert not assigned


def test_a_correction_leaves_box_and_prompts_alone(late: Late, assigned: Counter[str]) -> None:
    click(late, 40, 60)
    late.work.session.set_box(Box(20, 30, 60, 90))
    late.answer()
    written = late.work.view.helpers
    prompts, box = written.find(PROMPTS).data, written.find(BOX).data
    assigned.clear()
    click(late, 44, 66)
    assert assigned["Vectors.data"] == 0
    assert assigned["Points.data"] == 1
    assert written.find(PROMPTS).data is prompts
    assert written.find(BOX).data is box


def test_several_changes_in_one_turn_are_drawn_once(tmp_path: Path, assigned: Counter[str]) -> None:
    class NextTurn(WorkQueue):
        """Does nothing until a test lets a turn pass."""

        idle = False

        def request(self, key: Any, work: Callable[[], object]) -> None:
            self.put(key, work)

        def turn(self) -> None:
            while not self.empty:
                self.step()

    viewer, scheduler = ViewerModel(), NextTurn()
    viewer.add_image(np.zeros((90, 120), np.uint8))
    late = Late(viewer, tmp_path, scheduler=scheduler)
    scheduler.turn()
    assigned.clear()
    for x in (30, 60, 90):
        click(late, 40, x)
    assert assigned["Points.data"] == 3, "points are read by scripts: they are written at once"
    assert assigned["Image.data"] == 0
    scheduler.turn()
    assert assigned["Image.data"] == 1


@pytest.mark.parametrize("role", [PREVIEW, UNSURE, BOX, PROMPTS, CORRECTIONS])
def test_a_layer_that_was_deleted_is_made_again_with_what_it_showed(late: Late, role: str) -> None:
    work = late.work
    work.toggle_unsure()
    click(late, 40, 60)
    work.session.set_box(Box(20, 30, 60, 90))
    click(late, 44, 66)
    first = work.view.helpers.find(role)
    shown = np.array(first.data)
    work.viewer.layers.remove(first)
    assert work.view.helpers.find(role) is None
    work.view.layer_sync.sync()
    again = work.view.helpers.find(role)
    assert again is not first
    assert np.array_equal(again.data, shown)


def test_a_stranger_hears_every_change_of_a_helper_layer(late: Late) -> None:
    work, heard = late.work, Counter[str]()
    click(late, 40, 60)
    for role in (PROMPTS, PREVIEW):
        layer = work.view.helpers.find(role)
        for name in ("data", "set_data"):
            getattr(layer.events, name).connect(
                lambda event, key=f"{role}.{name}": heard.update([key])
            )
        # The whole layer's emitter, to which napari's list of layers listens.
        layer.events.connect(lambda event, key=f"{role}.any": heard.update([key]))
    rows: list[int] = []
    prompts = work.view.helpers.find(PROMPTS)
    prompts.events.data.connect(lambda event: rows.append(len(prompts.data)))
    work.session.undo()
    assert rows[-1] == 0
    work.session.redo()
    assert rows[-1] == 1
    names = ("data", "set_data", "any")
    assert all(heard[f"{role}.{name}"] for role in (PROMPTS, PREVIEW) for name in names)


def test_a_stranger_who_adds_a_point_while_points_are_written_is_read(late: Late) -> None:
    prompts = late.work.view.helpers.find(PROMPTS)

    def second(event: Any) -> None:
        if len(prompts.data) == 1 and str(event.action) == "added":
            prompts.add([0, 50, 70])

    prompts.events.data.connect(second)
    click(late, 40, 60)
    active = late.work.session.active_object
    assert active is not None
    assert [(c.y, c.x) for c in active.prompt.points] == [(40, 60), (50, 70)]
    assert np.allclose(prompts.data, [[0, 40, 60], [0, 50, 70]])
    assert list(prompts.features["kind"]) == ["object", "object"]


def test_a_point_by_hand_is_a_click_and_one_outside_goes_again(late: Late) -> None:
    prompts = late.work.view.helpers.find(PROMPTS)
    prompts.add([0, 40, 60])
    prompts.add([0, 400, 600])
    active = late.work.session.active_object
    assert active is not None
    assert active.prompt.points == (Click(40, 60),)
    assert np.allclose(prompts.data, [[0, 40, 60]])


def test_columns_that_others_add_to_the_points_stay(late: Late) -> None:
    prompts = late.work.view.helpers.find(PROMPTS)
    prompts.features = prompts.features.assign(note=np.array([], dtype=object))
    prompts.feature_defaults = {"kind": "object", "note": "mine"}
    prompts.add([0, 40, 60])
    late.work.session.click(Click(44, 66, False), prompt=True)
    assert list(prompts.features["note"]) == ["mine", "mine"]
    assert list(prompts.features["kind"]) == ["object", "background"]
    assert prompts.feature_defaults["kind"].tolist() == ["object"]


def test_points_of_one_image_are_not_taken_for_those_of_another(late: Late) -> None:
    work = late.work
    click(late, 40, 60)
    first = work.view.image
    second = work.viewer.add_image(np.zeros((3, 90, 120), np.uint8))
    work.view.image_choice.choose(second)
    assert not len(work.view.helpers.find(PROMPTS).data)
    assert work.session.active_object is not None
    assert work.session.active_object.untouched
    work.view.image_choice.choose(first)
    assert np.allclose(work.view.helpers.find(PROMPTS).data, [[0, 40, 60]])
    assert work.session.active_object.prompt.points == (Click(40, 60),)


def test_a_mask_stays_on_its_object_when_the_image_is_moved(late: Late) -> None:
    work, image = late.work, late.work.view.image
    click(late, 40, 60)
    assert image is not None
    preview = work.view.helpers.find(PREVIEW)
    image.translate = (10, 20, 30)
    image.scale = (2, 3, 3)
    rows, cols = np.nonzero(preview.data[0] > 128)
    middle = (0, (rows.min() + rows.max()) / 2, (cols.min() + cols.max()) / 2)
    centre = image.world_to_data(preview.data_to_world(middle))
    assert np.allclose(centre, (0, 40, 60), atol=1)
