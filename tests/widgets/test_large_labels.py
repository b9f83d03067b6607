"""Images with a side beyond what a texture holds: masks are seen, labels written and seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_pisam.images.thinned import LARGE_SIDE
from napari_pisam.prompts import Click
from napari_pisam.widgets.viewer.pyramid_store import LayeredLabels, layered_of
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser

LENGTH = LARGE_SIDE + 4000


@pytest.mark.parametrize("shape", [(300, 9000), (3, 5000, 70), (2, 1, 3000, 3001)])
def test_every_level_is_every_so_many_pixels_of_the_finest(shape: tuple[int, ...]) -> None:
    labels, array = LayeredLabels(shape, np.uint16), np.zeros(shape, np.uint16)
    random = np.random.default_rng(0)
    for number in range(1, 12):
        where: list[int | slice] = [int(random.integers(n)) for n in shape[:-2]]
        for n in shape[-2:]:
            start = int(random.integers(n))
            where.append(slice(start, min(n, start + int(random.integers(1, 900)))))
        block = number * random.integers(0, 2, array[tuple(where)].shape)
        labels[tuple(where)] = block
        array[tuple(where)] = block
    assert labels.highest == 11
    assert len(labels.levels) > 1
    for power, level in enumerate(labels.levels):
        fy, fx = (min(2**power, side) for side in shape[-2:])
        thin = array[..., fy // 2 :: fy, fx // 2 :: fx]
        assert np.array_equal(level[...], thin[..., : level.shape[-2], : level.shape[-1]])


def test_a_block_through_the_planes_is_written_too() -> None:
    labels = LayeredLabels((6, 40, 50), np.uint16)
    labels[1:4, 7, 10:20] = 5
    assert (labels[...] == 5).sum() == 30
    assert labels[2, 7, 15] == 5


@pytest.fixture
def user(open_panel: Opener) -> GuiUser:
    """A black image 20,000 pixels wide, seen from near."""
    user = open_panel(np.zeros((300, LENGTH), np.uint8))
    user.widget.bridge.camera.center = (0, 150, LENGTH - 200)
    user.widget.bridge.camera.zoom = 2.0
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
        user.widget.bridge.camera.zoom = zoom
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
    found = work.earlier_work(work.identity(image))
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
