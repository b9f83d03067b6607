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
from tests.widgets.hands import Hands, QTest, until

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def window(qapp: Any) -> Iterator[Hands]:
    """One window for all tests of this file: opening one takes longer than most of them."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1000, 700)
    widget = SegmentWidget(viewer, engine=DiscEngine())
    viewer.window.add_dock_widget(widget, name="Pi-SAM", area="right")
    shared = Hands(viewer, widget)
    yield shared
    widget.close_work()
    viewer.close()
    del viewer, widget
    shared.__dict__.clear()
    QApplication.processEvents()
    gc.collect()


@pytest.fixture
def hands(window: Hands) -> Hands:
    """The window with a new image of 200 x 300 pixels and nothing else."""
    # Mesa's driver may crash when textures come before the picture without the old ones is drawn.
    window.wait()
    window.viewer.layers.clear()
    window.look()
    QApplication.processEvents()
    window.widget.panel.keeping.object_size.setValue(0)
    window.viewer.add_image(np.zeros((200, 300), np.uint8), contrast_limits=(0, 255))
    window.viewer.reset_view()
    until(lambda: window.widget.labels is not None)
    return window


def prompt_of(hands: Hands) -> Any:
    active_object = hands.widget.session.active_object
    assert active_object is not None
    return active_object.prompt


def near(clicks: tuple[Click, ...], *places: tuple[float, float, bool]) -> bool:
    return len(clicks) == len(places) and all(
        abs(c.y - y) < 1 and abs(c.x - x) < 1 and c.positive is sign
        for c, (y, x, sign) in zip(clicks, places, strict=True)
    )


def test_click_correct_keep_next_undo(hands: Hands) -> None:
    hands.click(60, 80)
    hands.wait()
    assert near(prompt_of(hands).points, (60, 80, True))
    hands.click(60, 86)
    hands.click(60, 98)
    hands.wait()
    assert near(prompt_of(hands).corrections, (60, 86, False), (60, 98, True))
    hands.press(Qt.Key.Key_Return)
    labels = hands.widget.labels
    assert labels is not None
    assert labels.data[60, 72] == 1
    assert labels.data[60, 98] == 1
    assert labels.data[60, 86] == 0
    assert prompt_of(hands).empty
    hands.click(150, 200)
    hands.wait()
    hands.press(Qt.Key.Key_Return)
    assert labels.data[150, 200] == 2
    hands.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data.max() == 1
    assert near(prompt_of(hands).points, (150, 200, True))
    hands.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert labels.data[150, 200] == 2
    assert [o.label for o in hands.widget.objects] == [1, 2]


def test_escape_drops_and_undo_brings_back(hands: Hands) -> None:
    hands.click(60, 80)
    hands.wait()
    hands.press(Qt.Key.Key_Escape)
    assert prompt_of(hands).empty
    hands.press(Qt.Key.Key_Z, CONTROL)
    assert near(prompt_of(hands).points, (60, 80, True))


def test_right_and_shift_clicks_are_not_the_object_and_control_is(hands: Hands) -> None:
    hands.click(60, 80)
    hands.click(60, 95, button=Qt.MouseButton.RightButton)
    hands.click(75, 80, modifier=SHIFT)
    hands.click(50, 70, modifier=CONTROL)
    hands.wait()
    assert near(
        prompt_of(hands).points,
        (60, 80, True),
        (60, 95, False),
        (75, 80, False),
        (50, 70, True),
    )


def test_dragging_moves_the_picture_and_says_nothing(hands: Hands) -> None:
    before = hands.widget.bridge.camera.center
    hands.drag((60, 80), (100, 140))
    assert prompt_of(hands).empty
    assert hands.widget.bridge.camera.center != before


@pytest.mark.parametrize("way", ["shift", "box mode"])
def test_dragging_a_box(hands: Hands, way: str) -> None:
    before = hands.widget.bridge.camera.center
    if way == "box mode":
        hands.press(Qt.Key.Key_B)
        assert hands.widget.panel.banner.mode.name == "box"
    modifier = SHIFT if way == "shift" else Qt.KeyboardModifier.NoModifier
    hands.drag((40, 50), (100, 140), modifier=modifier)
    hands.wait()
    box = prompt_of(hands).box
    assert box is not None
    assert np.allclose((box.y_min, box.x_min, box.y_max, box.x_max), (40, 50, 100, 140), atol=1)
    assert hands.widget.bridge.camera.center == before
    assert hands.widget.panel.banner.mode.name == "correct"


def test_the_picture_is_held_while_a_box_is_drawn_and_no_longer(hands: Hands) -> None:
    """napari hears of quick moves late: its camera would have followed them by then."""
    camera, left = hands.widget.bridge.camera, Qt.MouseButton.LeftButton
    for modifier, held in ((SHIFT, True), (Qt.KeyboardModifier.NoModifier, False)):
        assert camera.mouse_pan
        QTest.mousePress(hands.canvas.native, left, modifier, hands.at(40, 50))
        assert camera.mouse_pan is not held
        QTest.mouseRelease(hands.canvas.native, left, modifier, hands.at(100, 140))
        assert camera.mouse_pan
    hands.wait()


def test_two_quick_clicks_do_not_zoom(hands: Hands) -> None:
    zoom = hands.widget.bridge.camera.zoom
    hands.click(60, 80)
    QTest.mouseDClick(
        hands.canvas.native,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        hands.at(60, 80),
    )
    assert hands.widget.bridge.camera.zoom == zoom


def test_hovering_says_what_a_click_does(hands: Hands) -> None:
    hands.click(60, 80)
    hands.wait()
    titles = []
    for x in (80, 120):
        hands.move(60, x)
        titles.append(hands.widget.panel.banner.mode.title)
    assert titles == ["\u2212  A click here removes", "+  A click here adds"]


def test_flip_and_doubt_keys(hands: Hands) -> None:
    hands.click(60, 80)
    hands.click(60, 100)
    hands.wait()
    hands.press(Qt.Key.Key_F)
    hands.wait()
    assert near(prompt_of(hands).corrections, (60, 100, False))
    answer = hands.widget.answer
    assert answer is not None
    place = answer.places[1 % len(answer.places)]
    hands.press(Qt.Key.Key_D)
    assert np.allclose(hands.widget.bridge.camera.center[-2:], (place.y, place.x))


def test_refining_the_label_under_the_mouse(hands: Hands) -> None:
    labels = hands.widget.labels
    assert labels is not None
    other = hands.viewer.add_labels(np.zeros_like(labels.data), name="elsewhere")
    other.data[100:130, 100:130] = 5
    hands.viewer.layers.selection.active = hands.widget.image
    hands.move(110, 110)
    hands.press(Qt.Key.Key_R)
    hands.wait()
    prompt = prompt_of(hands)
    assert prompt.mask is not None
    assert prompt.mask.mask.shape == (30, 30)
    hands.press(Qt.Key.Key_Return)
    assert (labels.data == 1).sum() == 900


def test_refining_a_kept_object_opens_it_with_its_clicks(hands: Hands) -> None:
    hands.click(60, 80)
    hands.wait()
    hands.press(Qt.Key.Key_Return)
    hands.move(60, 80)
    hands.press(Qt.Key.Key_R)
    hands.wait()
    assert near(prompt_of(hands).points, (60, 80, True))
    hands.click(60, 98)
    hands.wait()
    hands.press(Qt.Key.Key_Return)
    assert [o.label for o in hands.widget.objects] == [1]


def test_napari_tools_add_select_and_delete_points(hands: Hands) -> None:
    prompts = hands.widget.prompts
    hands.viewer.layers.selection.active = prompts
    prompts.mode = "add"
    hands.click(60, 80)
    hands.wait()
    assert near(prompt_of(hands).points, (60, 80, True))
    assert hands.widget.panel.banner.mode.name == "paused"
    prompts.mode = "select"
    hands.drag((60, 80), (100, 120))
    hands.wait()
    answer = hands.widget.answer
    assert near(prompt_of(hands).points, (100, 120, True))
    assert answer is not None
    assert answer.covers(Click(100, 120))
    assert not answer.covers(Click(60, 80))
    hands.press(Qt.Key.Key_Delete)
    assert prompt_of(hands).empty


def test_a_points_tool_on_the_corrections_layer_corrects(hands: Hands) -> None:
    hands.click(60, 80)
    hands.wait()
    corrections = hands.widget.corrections
    hands.viewer.layers.selection.active = corrections
    corrections.mode = "add"
    hands.click(60, 86)
    hands.wait()
    assert near(prompt_of(hands).corrections, (60, 86, False))
    assert list(corrections.features["kind"]) == ["remove"]


def test_keys_work_while_the_labels_layer_is_selected_unless_a_brush_is_in_hand(
    hands: Hands,
) -> None:
    labels = hands.widget.labels
    assert labels is not None
    hands.viewer.layers.selection.active = labels
    hands.click(60, 80)
    hands.wait()
    hands.press(Qt.Key.Key_Return)
    assert labels.data[60, 80] == 1
    hands.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data.max() == 0
    hands.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    labels.mode = "paint"
    labels.selected_label = 9
    hands.click(150, 200)
    assert labels.data[150, 200] == 9
    hands.press(Qt.Key.Key_Z, CONTROL)
    assert labels.data[150, 200] == 0
    assert labels.data[60, 80] == 1


def test_other_layers_and_the_switch_leave_the_mouse_to_napari(hands: Hands) -> None:
    shapes = hands.viewer.add_shapes()
    assert hands.viewer.layers.selection.active is shapes
    hands.click(60, 80)
    assert prompt_of(hands).empty
    hands.look()
    assert hands.widget.panel.banner.mode.name == "paused"
    hands.viewer.layers.selection.active = hands.widget.image
    hands.widget.panel.clicking.click()
    hands.click(60, 80)
    assert prompt_of(hands).empty
    hands.widget.panel.clicking.click()
    hands.click(60, 80)
    assert not prompt_of(hands).empty


def test_the_ring_shows_the_typical_size_where_the_mouse_is(hands: Hands) -> None:
    hands.viewer.mouse_over_canvas = True
    hands.widget.panel.keeping.object_size.setValue(40)
    hands.move(100, 150)
    assert str(hands.viewer.cursor.style) == "circle"
    assert hands.viewer.cursor.size == 40
    hands.viewer.reset_view()
    lit = hands.bright()
    middle = (lit.min(0) + lit.max(0)) / 2
    spot = hands.at(100, 150)
    assert np.allclose(middle, (spot.y(), spot.x()), atol=2)
    assert np.allclose(np.ptp(lit, axis=0), 40 * hands.widget.bridge.camera.zoom, atol=4)
    hands.click(60, 80)
    hands.wait()
    assert str(hands.viewer.cursor.style) == "crosshair"
