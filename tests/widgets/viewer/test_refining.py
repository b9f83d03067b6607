"""Objects that other layers show already: labels of any layer, shapes of any layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_pisam.widgets.viewer import refining
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser, QTest


def refined(user: GuiUser, y: float, x: float) -> Any:
    """The mask that R starts from with the mouse at a pixel of the image."""
    user.viewer.layers.selection.active = user.widget.image
    user.move(y, x)
    user.press(Qt.Key.Key_R)
    user.wait()
    active_object = user.widget.session.active_object
    assert active_object is not None
    mask = active_object.prompt.mask
    return None if mask is None else (mask.y, mask.x, *mask.mask.shape)


@pytest.mark.parametrize("whole", [0, refining.WHOLE_PIXELS])
def test_labels_of_any_layer_are_refined(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(refining, "WHOLE_PIXELS", whole)
    monkeypatch.setattr(refining, "FIRST_SIDE", 16)
    user = open_panel()
    add = user.viewer.add_labels
    same = np.zeros((200, 300), np.uint16)
    same[20:50, 30:90] = 5
    add(same, name="same pixels")
    assert refined(user, 40, 60) == (20, 30, 30, 60)
    user.widget.drop()
    coarse = np.zeros((50, 60), np.uint8)
    coarse[20:30, 10:30] = 3
    add(coarse, name="twice as coarse", scale=(2, 2), translate=(100.5, 200.5))
    assert refined(user, 150, 240) == (140, 220, 20, 40)
    user.widget.drop()
    fine = np.zeros((200, 300), np.int32)
    fine[100:140, 100:120] = 9
    add([fine, fine[::2, ::2]], name="a pyramid", multiscale=True)
    assert refined(user, 120, 110) == (100, 100, 40, 20)
    user.widget.drop()
    assert refined(user, 180, 20) is None
    assert "no label" in user.widget.panel.banner.shown.title


def test_labels_of_a_stack_and_flat_ones_over_it(open_panel: Opener) -> None:
    user = open_panel(np.zeros((4, 120, 160), np.uint8))
    user.viewer.dims.set_point(0, 2)
    flat = np.zeros((120, 160), np.uint8)
    flat[10:30, 20:50] = 1
    user.viewer.add_labels(flat, name="flat")
    assert refined(user, 20, 30) == (10, 20, 20, 30)
    user.widget.keep()
    labels = user.widget.labels
    assert labels is not None
    user.wait()
    assert labels.data[2, 20, 30] == 1
    assert not labels.data[[0, 1, 3]].any()


@pytest.mark.parametrize("rotate", [0, 90])
def test_a_rectangle_drawn_in_a_shapes_layer_is_the_box(open_panel: Opener, rotate: int) -> None:
    user = open_panel(scale=(0.5, 0.5), rotate=rotate)
    user.viewer.reset_view()
    shapes = user.viewer.add_shapes(name="mine", ndim=2)
    shapes.mode = "add_rectangle"
    user.drag((40, 50), (100, 140))
    shapes.mode = "pan_zoom"
    assert len(shapes.data) == 1
    user.let_draw()
    shown = user.widget.panel.banner.mode
    assert (shown.name, "Press Box" in shown.hint) == ("paused", True)
    QTest.mouseClick(user.widget.panel.buttons["box"], Qt.MouseButton.LeftButton)
    user.wait()
    active_object = user.widget.session.active_object
    assert active_object is not None
    box = active_object.prompt.box
    assert box is not None
    assert np.allclose((box.y_min, box.x_min, box.y_max, box.x_max), (40, 50, 100, 140), atol=1.5)
    assert user.widget.panel.banner.mode.name == "correct"
    user.click(70, 160)
    active_object = user.widget.session.active_object
    assert active_object is not None
    assert len(active_object.prompt.corrections) == 1


def test_a_shape_on_another_plane_is_no_box(open_panel: Opener) -> None:
    user = open_panel(np.zeros((4, 120, 160), np.uint8), show=False)
    user.viewer.dims.set_point(0, 2)
    shapes = user.viewer.add_shapes(
        [[[1, 10, 10], [1, 10, 40], [1, 50, 40], [1, 50, 10]]], shape_type="rectangle"
    )
    user.viewer.layers.selection.active = shapes
    user.widget.work.toggle_box_mode()
    active_object = user.widget.session.active_object
    assert active_object is not None
    assert active_object.prompt.box is None
    assert "rectangle" in user.widget.panel.banner.shown.title
    user.viewer.dims.set_point(0, 1)
    user.widget.work.toggle_box_mode()
    active_object = user.widget.session.active_object
    assert active_object is not None
    assert active_object.prompt.box is not None
