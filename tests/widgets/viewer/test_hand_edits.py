"""Kept objects that are painted, erased and filled with napari's own tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_pisam.prompts import Click
from napari_pisam.session.journal import read_journal
from napari_pisam.widgets.segment_dock.object_table import ERASED, cell_of
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser, until
from tests.widgets.viewer.test_workspace import Late

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def areas(user: GuiUser) -> list[str]:
    """The areas that the list shows, the newest object first."""
    model = user.widget.panel.table.objects
    return [model.data(model.index(row, 1)) for row in range(model.rowCount())]


def shown_soon(user: GuiUser, *wanted: str) -> None:
    until(lambda: areas(user) == list(wanted), f"{areas(user)} becoming {wanted}")


def told(user: GuiUser) -> Any:
    """What would come back after a crash at this moment."""
    (found,) = read_journal(user.widget.work.journaling.journal.path)
    labels = user.widget.labels
    assert labels is not None
    assert np.array_equal(found.labels(labels.data.dtype), labels.data)
    return {o.label: o.area for o in found.objects}


@pytest.fixture
def kept(open_panel: Opener) -> GuiUser:
    """Two kept discs of 441 pixels; the labels layer is selected."""
    user = open_panel()
    for y in (60, 140):
        user.widget.session.click(Click(y, 80, None))
        user.wait()
        user.widget.keep()
    labels = user.widget.labels
    assert labels is not None
    user.viewer.layers.selection.active = labels
    shown_soon(user, "441", "441")
    return user


def test_a_brush_an_eraser_and_a_bucket_change_the_area_in_the_list(kept: GuiUser) -> None:
    labels: Any = kept.widget.labels
    labels.brush_size, labels.selected_label = 10, 1
    labels.mode = "paint"
    kept.drag((60, 80), (60, 100))
    painted = int((labels.data == 1).sum())
    assert painted > 441
    shown_soon(kept, "441", str(painted))
    labels.mode = "erase"
    kept.drag((50, 80), (70, 80))
    erased = int((labels.data == 1).sum())
    assert erased < painted
    shown_soon(kept, "441", str(erased))
    assert told(kept) == {1: erased, 2: 441}
    labels.mode, labels.selected_label = "fill", 1
    kept.click(140, 80)
    shown_soon(kept, ERASED, str(int((labels.data == 1).sum())))
    assert told(kept)[2] == 0


def test_an_erased_object_is_listed_as_such_and_opened_brought_back_and_deleted(
    kept: GuiUser,
) -> None:
    labels, panel, widget = kept.widget.labels, kept.widget.panel, kept.widget
    assert labels is not None
    labels.mode, labels.selected_label = "fill", 0
    kept.click(60, 80)
    shown_soon(kept, "441", ERASED)
    assert panel.objects_title.text() == "1 object, 1 erased"
    assert told(kept) == {1: 0, 2: 441}
    kept.press(Qt.Key.Key_Z, CONTROL)
    shown_soon(kept, "441", "441")
    kept.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    shown_soon(kept, "441", ERASED)
    labels.mode = "pan_zoom"
    panel.table.selectRow(1)
    panel.reopen.click()
    kept.wait()
    widget.keep()
    shown_soon(kept, "441", "441")
    labels.mode = "fill"
    kept.click(60, 80)
    # Kept again, it is the newest one.
    shown_soon(kept, ERASED, "441")
    panel.table.selectRow(0)
    panel.remove.click()
    shown_soon(kept, "441")
    widget.undo()
    shown_soon(kept, ERASED, "441")
    assert told(kept) == {1: 0, 2: 441}


def test_undo_and_redo_of_objects_go_on_over_what_was_painted(kept: GuiUser) -> None:
    labels, widget = kept.widget.labels, kept.widget
    assert labels is not None
    labels.mode, labels.selected_label = "fill", 0
    kept.click(140, 80)
    shown_soon(kept, ERASED, "441")
    widget.undo()
    assert [o.label for o in widget.objects] == [1]
    assert widget.result is not None
    widget.redo()
    shown_soon(kept, "441", "441")
    assert labels.data[140, 80] == 2
    labels.mode, labels.selected_label, labels.brush_size = "paint", 2, 6
    kept.drag((140, 110), (140, 120))
    painted = int((labels.data == 2).sum())
    shown_soon(kept, str(painted), "441")
    widget.undo()
    widget.redo()
    kept.wait()
    assert areas(kept) == [str(painted), "441"]
    assert told(kept) == {1: 441, 2: painted}


def test_strokes_before_the_first_object_are_in_the_journal_too(open_panel: Opener) -> None:
    user = open_panel()
    labels = user.widget.labels
    assert labels is not None
    user.viewer.layers.selection.active = labels
    labels.mode, labels.selected_label, labels.brush_size = "paint", 7, 8
    user.drag((30, 30), (30, 60))
    assert not user.widget.work.journaling.journal.path.exists()
    user.widget.session.click(Click(120, 200, None))
    user.wait()
    user.widget.keep()
    assert told(user) == {8: 441}


def test_strokes_through_planes_and_other_axes(tmp_path: Any) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 90, 120), np.uint8))
    late = Late(viewer, tmp_path)
    viewer.dims.set_point(0, 2)
    late.keep(40, 60)
    labels = late.work.view.label_layers.layer
    assert labels is not None
    labels.n_edit_dimensions, labels.brush_size, labels.selected_label = 3, 9, 0
    labels.paint((2, 40, 60), 0)
    (kept,) = late.work.objects
    assert kept.area == int((labels.data[2] == 1).sum()) < 441
    viewer.dims.order = (1, 0, 2)
    labels.n_edit_dimensions = 2
    labels.paint((2, 40, 40), 1)
    (kept,) = late.work.objects
    assert kept.area == int((labels.data[2] == 1).sum())
    assert cell_of(kept, 1) == str(kept.area)
    (found,) = read_journal(late.work.journaling.journal.path)
    assert np.array_equal(found.labels(labels.data.dtype), labels.data)


def test_undo_of_naparis_is_seen_after_a_slider_that_moves_only_other_layers(
    tmp_path: Any,
) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((90, 120), np.uint8))
    late = Late(viewer, tmp_path)
    late.keep(40, 60)
    viewer.add_image(np.zeros((5, 90, 120), np.uint8))
    viewer.dims.set_point(0, 3)
    labels = late.work.view.label_layers.layer
    assert labels is not None
    labels.undo()
    assert [o.area for o in late.work.objects] == [0]
    labels.redo()
    assert [o.area for o in late.work.objects] == [441]
