"""Planes of stacks, in any transform."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Box, Click
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener


def test_a_rotated_scaled_plane_of_a_stack(open_panel: Opener) -> None:
    stack = np.zeros((4, 160, 200), np.uint8)
    user = open_panel(
        stack, scale=(2, 0.5, 0.25), translate=(10, 20, 30), rotate=20, units=("um",) * 3
    )
    image = user.widget.image
    assert image is not None
    user.viewer.dims.set_point(0, 10 + 2 * 2)
    user.viewer.reset_view()
    user.click(60, 80)
    user.wait()
    active_object = user.widget.session.active_object
    assert active_object is not None
    (point,) = active_object.prompt.points
    assert np.allclose((point.y, point.x), (60, 80), atol=1)
    for layer in (user.widget.prompts, user.widget.labels):
        assert layer is not None
        assert layer.units == image.units
        assert np.allclose(layer.data_to_world((1, 2, 3)), image.data_to_world((1, 2, 3)))
    preview = user.widget.view.helpers.find("preview")
    result = user.widget.result
    assert result is not None
    rows, cols = np.nonzero(preview.data[0] > 128)
    middle = (0, (rows.min() + rows.max()) / 2, (cols.min() + cols.max()) / 2)
    centre = image.world_to_data(preview.data_to_world(middle))
    assert np.allclose(centre, (2, 60, 80), atol=1)
    user.press(Qt.Key.Key_Return)
    labels = user.widget.labels
    assert labels is not None
    assert labels.data[2, 60, 80] == 1
    assert not labels.data[[0, 1, 3]].any()


def test_other_planes_and_axes_keep_their_own_objects(open_panel: Opener) -> None:
    user = open_panel(np.zeros((40, 50, 60), np.uint8), show=False)
    session, viewer = user.widget.session, user.viewer
    viewer.dims.set_current_step(0, 10)
    session.click(Click(20, 20, None))
    user.wait()
    viewer.dims.set_current_step(0, 11)
    assert user.widget.result is None
    user.let_draw()
    assert user.widget.panel.banner.mode.name == "start"
    session.click(Click(25, 25, None))
    user.wait()
    user.widget.keep()
    viewer.dims.set_current_step(0, 10)
    assert user.widget.result is not None
    user.widget.keep()
    labels = user.widget.labels
    assert labels is not None
    assert labels.data[11, 25, 25] == 1
    assert labels.data[10, 20, 20] == 2
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_point(2, 7)
    assert session.plane is not None
    assert session.plane.key.index == (None, None, 7)
    viewer.dims.ndisplay = 3
    assert session.plane is None
    user.let_draw()
    assert user.widget.panel.banner.mode.name == "empty"


def world_of(viewer: Any, layers: Any) -> Any:
    """Where the sliders go: the first and last place and the step of each axis."""
    extent = viewer.layers.get_extent(layers)
    return np.array([*extent.world, extent.step])


class FineDiscs(DiscEngine):
    """Masks three times as fine as the image."""

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        result = yield from super().steps(request)
        fine = np.kron(result.logits, np.ones((3, 3), np.float32))
        return replace(result, logits=fine, low_res_logits=fine).prepared()


@pytest.mark.parametrize("place", [(20, 25), (0.3, 0.4), (39, 49), (-0.4, 49.4)])
@pytest.mark.parametrize("shift", [0.0, 3.3])
def test_nothing_of_ours_is_larger_or_finer_than_the_image(
    open_panel: Opener, place: tuple[float, float], shift: float
) -> None:
    frame = {"scale": (3, 0.5, 0.7), "translate": (shift, -shift, 1), "rotate": 30 * shift}
    user = open_panel(np.zeros((10, 40, 50), np.uint8), engine=FineDiscs(), show=False, **frame)
    viewer, image, work = user.viewer, user.widget.image, user.widget.work
    assert image is not None
    work.toggle_unsure()
    viewer.dims.set_point(0, image.data_to_world((4, *place))[0])
    click = user.widget.view.plane_shown.pixel(image.data_to_world((4, *place)))
    assert click is not None
    user.widget.session.click(click)
    work.view.layer_sync.show_dragged_box(Box(-7, -8, 90, 95))
    user.wait()
    assert user.widget.result is not None
    assert user.widget.result.pixel_size != 1
    assert user.widget.view.helpers.find("preview").data.max() > 128
    world = world_of(viewer, list(viewer.layers))
    assert np.allclose(world, world_of(viewer, [image]))
    assert np.allclose(np.array(viewer.dims.range).T, world)


def test_the_slider_of_other_axes_stays_on_the_planes_of_the_image(open_panel: Opener) -> None:
    user = open_panel(np.zeros((40, 50, 60), np.uint8), show=False)
    session, viewer = user.widget.session, user.viewer
    viewer.dims.set_current_step(0, 10)
    session.click(Click(20, 20, None))
    user.wait()
    viewer.dims.order = (2, 0, 1)
    for step in range(60):
        viewer.dims.set_current_step(2, step)
        assert session.plane is not None
        assert session.plane.key.index == (None, None, step)
    viewer.dims.set_current_step(2, 7)
    session.click(Click(15, 30, None))
    user.wait()
    assert user.widget.result is not None
    assert session.plane is not None
    assert session.plane.key.index[2] == 7
    assert viewer.dims.current_step[2] == 7
    viewer.dims.order = (0, 1, 2)
    assert session.plane is not None
    assert session.plane.key.index[0] == 10
    assert user.widget.result is not None


def test_a_script_may_put_points_on_planes_that_are_not_shown(open_panel: Opener) -> None:
    user = open_panel(np.zeros((3, 50, 60), np.uint8), show=False)
    viewer = user.viewer
    viewer.dims.set_current_step(0, 0)
    user.widget.prompts.add([[0, 20, 20], [2, 30, 30]])
    user.wait()
    assert user.widget.session.active_object is not None
    assert user.widget.session.active_object.prompt.points == (Click(20, 20),)
    user.widget.keep()
    viewer.dims.set_current_step(0, 2)
    user.wait()
    assert user.widget.session.active_object.prompt.points == (Click(30, 30),)


def test_rgb_and_pyramids(open_panel: Opener) -> None:
    fine = np.zeros((64, 80, 3), np.uint8)
    user = open_panel([fine, fine[::2, ::2]], multiscale=True, rgb=True, show=False)
    user.widget.session.click(Click(30, 30, None))
    user.wait()
    user.widget.keep()
    plane = user.widget.session.plane
    assert plane is not None
    assert plane.source.rgb
    assert plane.source.levels == (1.0, 2.0)
    assert user.widget.labels is not None
    assert user.widget.labels.data.shape == (64, 80)
    assert user.widget.labels.data[30, 30] == 1
