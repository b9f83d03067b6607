"""The widget of segment_points: in the background, stopped by its button, sentences for errors."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.widgets.segment_dock.points_widget import in_background, segment_points_widget
from napari_pisam.widgets.viewer import segment_points as module
from napari_pisam.widgets.viewer.segment_points import Batch
from tests.session.discs import DiscEngine
from tests.widgets.gui_user import until
from tests.widgets.viewer.test_segment_points import Failing


def test_the_widget_computes_in_the_background(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=False)
    picture = viewer.add_image(np.zeros((120, 160), np.uint8))
    prompts = viewer.add_points([(30, 30)])
    widget = segment_points_widget()
    viewer.window.add_dock_widget(widget)
    assert widget.image.value is picture
    assert widget.prompts.value is prompts
    assert "pisam-tiny" in widget.model.choices
    worker = in_background(viewer, Batch(picture, prompts, model=DiscEngine()))
    # A worker may have ended before anybody can listen to it.
    until(lambda: not worker.is_running and len(viewer.layers) == 3)
    assert viewer.layers[-1].data[30, 30] == 1
    failing = in_background(viewer, Batch(picture, prompts, model=Failing()))
    until(lambda: not failing.is_running)
    assert len(viewer.layers) == 3


def test_the_button_stops_it_and_keeps_what_is_done(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=False)
    viewer.add_image(np.zeros((120, 160), np.uint8))
    rows = [(5 + y, 5 + x) for y in range(0, 100, 20) for x in range(0, 150, 20)]
    viewer.add_points(rows, features={"group": range(1, len(rows) + 1)})
    widget = segment_points_widget()
    viewer.window.add_dock_widget(widget)
    reached = threading.Event()

    class Slow(DiscEngine):
        def steps(self, request: SegmentRequest) -> Any:
            if len(self.finished) == 3:
                reached.set()
                stopped.wait(60)
            return (yield from super().steps(request))

    stopped = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "engine_for", lambda model: Slow())
        widget()
    assert widget.call_button.text == "Stop"
    assert reached.wait(60)
    widget()
    stopped.set()
    until(lambda: widget.call_button.text == "Segment")
    assert 3 <= viewer.layers[-1].data.max() < len(rows)


def test_the_widget_without_an_image_says_what_is_missing(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=False)
    widget = segment_points_widget()
    viewer.window.add_dock_widget(widget)
    with notification_manager:
        widget()
        assert "Open an image" in notification_manager.records[-1].message
        viewer.add_image(np.zeros((120, 160), np.uint8))
        viewer.add_points(ndim=2)
        widget()
        assert "There is no point" in notification_manager.records[-1].message
