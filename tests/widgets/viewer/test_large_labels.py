"""Images with a side beyond what a texture holds: masks are seen, labels written and seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_pisam.images.overviews import LARGE_SIDE
from napari_pisam.prompts import Click
from napari_pisam.widgets.viewer.pyramid_store import layered_of
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser

LENGTH = LARGE_SIDE + 4000


@pytest.fixture
def user(open_panel: Opener) -> GuiUser:
    """A black image 20,000 pixels wide, seen from near."""
    user = open_panel(np.zeros((300, LENGTH), np.uint8))
    user.widget.view.camera.center = (0, 150, LENGTH - 200)
    user.widget.view.camera.zoom = 2.0
    return user


def test_masks_and_kept_objects_are_seen_and_undone(user: GuiUser) -> None:
    layer = user.widget.labels
    labels: Any = layered_of(layer) if layer is not None else None
    assert labels is not None
    assert not len(user.bright())
    user.click(150, LENGTH - 200)
    user.wait()
    spot = user.at(150, LENGTH - 200)
    seen = user.bright()
    assert np.allclose(seen.mean(0), (spot.y(), spot.x()), atol=4), "the mask is not seen"
    user.press(Qt.Key.Key_Return)
    user.wait()
    assert (labels[140:160, LENGTH - 220 : LENGTH - 180] == 1).sum() > 300
    for zoom in (2.0, 0.3):
        user.widget.view.camera.zoom = zoom
        spot, seen = user.at(150, LENGTH - 200), user.bright()
        assert np.allclose(seen.mean(0), (spot.y(), spot.x()), atol=4), "the labels are not seen"
    user.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    user.widget.drop()
    user.wait()
    assert not labels[...].any()
    assert not len(user.bright())


def test_objects_of_an_earlier_session_come_back(open_panel: Opener) -> None:
    first = open_panel(np.zeros((300, LENGTH), np.uint8), show=False)
    for x in (5000, 5018, LENGTH - 50):
        first.widget.session.click(Click(150, x, None))
        first.wait()
        first.widget.keep()
    layer = first.widget.labels
    before: Any = layered_of(layer) if layer is not None else None
    second = open_panel(np.zeros((300, LENGTH), np.uint8), show=False)
    work = second.widget.work
    image = second.widget.image
    assert image is not None
    found = work.journaling.earlier_work(work.journaling.identity(image))
    assert found is not None
    work.restore(found)
    layer = second.widget.labels
    after: Any = layered_of(layer) if layer is not None else None
    for old, new in zip(before.levels, after.levels, strict=True):
        assert np.array_equal(old[...], new[...])
    assert [o.label for o in work.objects] == [1, 2, 3]
    second.widget.session.click(Click(50, 100, None))
    second.wait()
    second.widget.keep()
    assert after[50, 100] == 4
