"""Real clicks and keys on a real store."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import napari
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_pisam.prompts import Click
from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget
from tests.session.discs import DiscEngine
from tests.widgets.gui_user import GuiUser, QTest, until

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def window(qapp: Any) -> Iterator[GuiUser]:
    """One window for all tests of this file: opening one takes longer than most of them."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1000, 700)
    widget = SegmentWidget(viewer, engine=DiscEngine())
    viewer.window.add_dock_widget(widget, name="Pi-SAM", area="right")
    shared = GuiUser(viewer, widget)
    yield shared
    widget.close_work()
    viewer.close()
    del viewer, widget
    shared.__dict__.clear()
    QApplication.processEvents()
    gc.collect()


@pytest.fixture
def user(window: GuiUser) -> GuiUser:
    """The window with a new image of 200 x 300 pixels and nothing else."""
    # Mesa's driver may crash when textures come before the picture without the old ones is drawn.
    window.wait()
    window.viewer.layers.clear()
    window.let_draw()
    QApplication.processEvents()
    window.widget.panel.keeping.object_size.setValue(0)
    window.viewer.add_image(np.zeros((200, 300), np.uint8), contrast_limits=(0, 255))
    window.viewer.reset_view()
    until(lambda: window.widget.labels is not None)
    return window


def prompt_of(user: GuiUser) -> Any:
    active_object = user.widget.session.active_object
    assert active_object is not None
    return active_object.prompt


def near(clicks: tuple[Click, ...], *places: tuple[float, float, bool]) -> bool:
    return len(clicks) == len(places) and all(
        abs(c.y - y) < 1 and abs(c.x - x) < 1 and c.positive is sign
        for c, (y, x, sign) in zip(clicks, places, strict=True)
    )


def test_click_correct_keep_next_undo(user: GuiUser) -> None:
    user.click(60, 80)
    user.wait()
    assert near(prompt_of(user).points, (60, 80, True))
    user.click(60, 86)
    user.click(60, 98)
    user.wait()
    assert near(prompt_of(user).corrections, (60, 86, False), (60, 98, True))
    user.press(Qt.Key.Key_Return)
    labels = user.widget.labels
    assert labels is not None
    assert labels.data[60, 72] == 1
    assert labels.data[60, 98] == 1
    assert labels.data[60, 86] == 0
    assert prompt_of(user).empty
    user.click(150, 200)
    user.wait()
    user.press(Qt.Key.Key_Return)
    assert labels.data[150, 200] == 2
    user.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data.max() == 1
    assert near(prompt_of(user).points, (150, 200, True))
    user.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert labels.data[150, 200] == 2
    assert [o.label for o in user.widget.objects] == [1, 2]


def test_escape_drops_and_undo_brings_back(user: GuiUser) -> None:
    user.click(60, 80)
    user.wait()
    user.press(Qt.Key.Key_Escape)
    assert prompt_of(user).empty
    user.press(Qt.Key.Key_Z, CONTROL)
    assert near(prompt_of(user).points, (60, 80, True))


def test_right_and_shift_clicks_are_not_the_object_and_control_is(user: GuiUser) -> None:
    user.click(60, 80)
    user.click(60, 95, button=Qt.MouseButton.RightButton)
    user.click(75, 80, modifier=SHIFT)
    user.click(50, 70, modifier=CONTROL)
    user.wait()
    assert near(
        prompt_of(user).points,
        (60, 80, True),
        (60, 95, False),
        (75, 80, False),
        (50, 70, True),
    )


def test_dragging_moves_the_picture_and_says_nothing(user: GuiUser) -> None:
    before = user.widget.view.camera.center
    user.drag((60, 80), (100, 140))
    assert prompt_of(user).empty
    assert user.widget.view.camera.center != before


@pytest.mark.parametrize("way", ["shift", "box mode"])
def test_dragging_a_box(user: GuiUser, way: str) -> None:
    before = user.widget.view.camera.center
    if way == "box mode":
        user.press(Qt.Key.Key_B)
        assert user.widget.panel.banner.mode.name == "box"
    modifier = SHIFT if way == "shift" else Qt.KeyboardModifier.NoModifier
    user.drag((40, 50), (100, 140), modifier=modifier)
    user.wait()
    box = prompt_of(user).box
    assert box is not None
    assert np.allclose((box.y_min, box.x_min, box.y_max, box.x_max), (40, 50, 100, 140), atol=1)
    assert user.widget.view.camera.center == before
    assert user.widget.panel.banner.mode.name == "correct"


def test_the_picture_is_held_while_a_box_is_drawn_and_no_longer(user: GuiUser) -> None:
    """napari hears of quick moves late: its camera would have followed them by then."""
    camera, left = user.widget.view.camera, Qt.MouseButton.LeftButton
    for modifier, held in ((SHIFT, True), (Qt.KeyboardModifier.NoModifier, False)):
        assert camera.mouse_pan
        QTest.mousePress(user.canvas.native, left, modifier, user.at(40, 50))
        assert camera.mouse_pan is not held
        QTest.mouseRelease(user.canvas.native, left, modifier, user.at(100, 140))
        assert camera.mouse_pan
    user.wait()


def test_two_quick_clicks_do_not_zoom(user: GuiUser) -> None:
    zoom = user.widget.view.camera.zoom
    user.click(60, 80)
    QTest.mouseDClick(
        user.canvas.native,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        user.at(60, 80),
    )
    assert user.widget.view.camera.zoom == zoom


def test_hovering_says_what_a_click_does(user: GuiUser) -> None:
    user.click(60, 80)
    user.wait()
    titles = []
    for x in (80, 120):
        user.move(60, x)
        titles.append(user.widget.panel.banner.mode.title)
    assert titles == ["\u2212  A click here removes", "+  A click here adds"]


def test_flip_and_doubt_keys(user: GuiUser) -> None:
    user.click(60, 80)
    user.click(60, 100)
    user.wait()
    user.press(Qt.Key.Key_F)
    user.wait()
    assert near(prompt_of(user).corrections, (60, 100, False))
    result = user.widget.result
    assert result is not None
    place = result.preview.doubtful_places[1 % len(result.preview.doubtful_places)]
    user.press(Qt.Key.Key_D)
    assert np.allclose(user.widget.view.camera.center[-2:], (place.y, place.x))


def test_refining_the_label_under_the_mouse(user: GuiUser) -> None:
    labels = user.widget.labels
    assert labels is not None
    other = user.viewer.add_labels(np.zeros_like(labels.data), name="elsewhere")
    other.data[100:130, 100:130] = 5
    user.viewer.layers.selection.active = user.widget.image
    user.move(110, 110)
    user.press(Qt.Key.Key_R)
    user.wait()
    prompt = prompt_of(user)
    assert prompt.mask is not None
    assert prompt.mask.mask.shape == (30, 30)
    user.press(Qt.Key.Key_Return)
    assert (labels.data == 1).sum() == 900


def test_refining_a_kept_object_opens_it_with_its_clicks(user: GuiUser) -> None:
    user.click(60, 80)
    user.wait()
    user.press(Qt.Key.Key_Return)
    user.move(60, 80)
    user.press(Qt.Key.Key_R)
    user.wait()
    assert near(prompt_of(user).points, (60, 80, True))
    user.click(60, 98)
    user.wait()
    user.press(Qt.Key.Key_Return)
    assert [o.label for o in user.widget.objects] == [1]


def test_napari_tools_add_select_and_delete_points(user: GuiUser) -> None:
    prompts = user.widget.prompts
    user.viewer.layers.selection.active = prompts
    prompts.mode = "add"
    user.click(60, 80)
    user.wait()
    assert near(prompt_of(user).points, (60, 80, True))
    assert user.widget.panel.banner.mode.name == "paused"
    prompts.mode = "select"
    user.drag((60, 80), (100, 120))
    user.wait()
    result = user.widget.result
    assert near(prompt_of(user).points, (100, 120, True))
    assert result is not None
    assert result.covers(Click(100, 120))
    assert not result.covers(Click(60, 80))
    user.press(Qt.Key.Key_Delete)
    assert prompt_of(user).empty


def test_a_points_tool_on_the_corrections_layer_corrects(user: GuiUser) -> None:
    user.click(60, 80)
    user.wait()
    corrections = user.widget.corrections
    user.viewer.layers.selection.active = corrections
    corrections.mode = "add"
    user.click(60, 86)
    user.wait()
    assert near(prompt_of(user).corrections, (60, 86, False))
    assert list(corrections.features["kind"]) == ["remove"]


def test_keys_work_while_the_labels_layer_is_selected_unless_a_brush_is_in_hand(
    user: GuiUser,
) -> None:
    labels = user.widget.labels
    assert labels is not None
    user.viewer.layers.selection.active = labels
    user.click(60, 80)
    user.wait()
    user.press(Qt.Key.Key_Return)
    assert labels.data[60, 80] == 1
    user.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data.max() == 0
    user.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    labels.mode = "paint"
    labels.selected_label = 9
    user.click(150, 200)
    assert labels.data[150, 200] == 9
    user.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data[150, 200] == 0
    assert labels.data[60, 80] == 1


def test_other_layers_and_the_switch_leave_the_mouse_to_napari(user: GuiUser) -> None:
    shapes = user.viewer.add_shapes()
    assert user.viewer.layers.selection.active is shapes
    user.click(60, 80)
    assert prompt_of(user).empty
    user.let_draw()
    assert user.widget.panel.banner.mode.name == "paused"
    user.viewer.layers.selection.active = user.widget.image
    user.widget.panel.clicking.click()
    user.click(60, 80)
    assert prompt_of(user).empty
    user.widget.panel.clicking.click()
    user.click(60, 80)
    assert not prompt_of(user).empty


def test_the_ring_shows_the_typical_size_where_the_mouse_is(user: GuiUser) -> None:
    user.viewer.mouse_over_canvas = True
    user.widget.panel.keeping.object_size.setValue(40)
    user.move(100, 150)
    assert str(user.viewer.cursor.style) == "circle"
    assert user.viewer.cursor.size == 40
    user.viewer.reset_view()
    lit = user.bright()
    middle = (lit.min(0) + lit.max(0)) / 2
    spot = user.at(100, 150)
    assert np.allclose(middle, (spot.y(), spot.x()), atol=2)
    assert np.allclose(np.ptp(lit, axis=0), 40 * user.widget.view.camera.zoom, atol=4)
    user.click(60, 80)
    user.wait()
    assert str(user.viewer.cursor.style) == "crosshair"
