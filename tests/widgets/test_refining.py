"""Objects that other layers show already: labels of any layer, shapes of any layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_pisam.widgets.viewer import refining
from tests.widgets.conftest import Opener
from tests.widgets.hands import Hands, QTest


def refined(hands: Hands, y: float, x: float) -> Any:
    """The mask that R starts from with the mouse at a pixel of the image."""
    hands.viewer.layers.selection.active = hands.widget.image
    hands.move(y, x)
    hands.press(Qt.Key.Key_R)
    hands.wait()
    active_object = hands.widget.session.active_object
    assert active_object is not None
    mask = active_object.prompt.mask
    return None if mask is None else (mask.y, mask.x, *mask.mask.shape)


@pytest.mark.parametrize("whole", [0, refining.WHOLE_PIXELS])
def test_labels_of_any_layer_are_refined(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(refining, "WHOLE_PIXELS", whole)
    monkeypatch.setattr(refining, "FIRST_SIDE", 16)
    hands = open_panel()
    add = hands.viewer.add_labels
    same = np.zeros((200, 300), np.uint16)
    same[20:50, 30:90] = 5
    add(same, name="same pixels")
    assert refined(hands, 40, 60) == (20, 30, 30, 60)
    hands.widget.drop()
    coarse = np.zeros((50, 60), np.uint8)
    coarse[20:30, 10:30] = 3
    add(coarse, name="twice as coarse", scale=(2, 2), translate=(100.5, 200.5))
    assert refined(hands, 150, 240) == (140, 220, 20, 40)
    hands.widget.drop()
    fine = np.zeros((200, 300), np.int32)
    fine[100:140, 100:120] = 9
    add([fine, fine[::2, ::2]], name="a pyramid", multiscale=True)
    assert refined(hands, 120, 110) == (100, 100, 40, 20)
    hands.widget.drop()
    assert refined(hands, 180, 20) is None
    assert "no label" in hands.widget.panel.banner.shown.title


def test_labels_of_a_stack_and_flat_ones_over_it(open_panel: Opener) -> None:
    hands = open_panel(np.zeros((4, 120, 160), np.uint8))
    hands.viewer.dims.set_point(0, 2)
    flat = np.zeros((120, 160), np.uint8)
    flat[10:30, 20:50] = 1
    hands.viewer.add_labels(flat, name="flat")
    assert refined(hands, 20, 30) == (10, 20, 20, 30)
    hands.widget.keep()
    labels = hands.widget.labels
    assert labels is not None
    hands.wait()
    assert labels.data[2, 20, 30] == 1
    assert not labels.data[[0, 1, 3]].any()


@pytest.mark.parametrize("rotate", [0, 90])
def test_a_rectangle_drawn_in_a_shapes_layer_is_the_box(open_panel: Opener, rotate: int) -> None:
    hands = open_panel(scale=(0.5, 0.5), rotate=rotate)
    hands.viewer.reset_view()
    shapes = hands.viewer.add_shapes(name="mine", ndim=2)
    shapes.mode = "add_rectangle"
    hands.drag((40, 50), (100, 140))
    shapes.mode = "pan_zoom"
    assert len(shapes.data) == 1
    hands.look()
    shown = hands.widget.panel.banner.mode
    assert (shown.name, "Press Box" in shown.hint) == ("paused", True)
    QTest.mouseClick(hands.widget.panel.buttons["box"], Qt.MouseButton.LeftButton)
    hands.wait()
    active_object = hands.widget.session.active_object
    assert active_object is not None
    box = active_object.prompt.box
    assert box is not None
    assert np.allclose((box.y_min, box.x_min, box.y_max, box.x_max), (40, 50, 100, 140), atol=1.5)
    assert hands.widget.panel.banner.mode.name == "correct"
    hands.click(70, 160)
    active_object = hands.widget.session.active_object
    assert active_object is not None
    assert len(active_object.prompt.corrections) == 1


def test_a_shape_on_another_plane_is_no_box(open_panel: Opener) -> None:
    hands = open_panel(np.zeros((4, 120, 160), np.uint8), show=False)
    hands.viewer.dims.set_point(0, 2)
    shapes = hands.viewer.add_shapes(
        [[[1, 10, 10], [1, 10, 40], [1, 50, 40], [1, 50, 10]]], shape_type="rectangle"
    )
    hands.viewer.layers.selection.active = shapes
    hands.widget.work.toggle_box_mode()
    active_object = hands.widget.session.active_object
    assert active_object is not None
    assert active_object.prompt.box is None
    assert "rectangle" in hands.widget.panel.banner.shown.title
    hands.viewer.dims.set_point(0, 1)
    hands.widget.work.toggle_box_mode()
    active_object = hands.widget.session.active_object
    assert active_object is not None
    assert active_object.prompt.box is not None
