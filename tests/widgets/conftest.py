"""A viewer with the panel open, answered by discs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QSettings

from napari_pisam.widgets.segment_dock import keys_panel
from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget
from napari_pisam.widgets.viewer.model_loading import SegmentEngine
from napari_pisam.widgets.viewer.workspace import STATE_VARIABLE
from tests.session.discs import DiscEngine
from tests.widgets.gui_user import GuiUser, until

Opener = Callable[..., GuiUser]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither journals nor keys of the person who runs the tests are read or written."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    store = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    monkeypatch.setattr(keys_panel, "settings", lambda: store)


@pytest.fixture
def open_panel(make_napari_viewer: Any) -> Iterator[Opener]:
    """Opens a viewer, images and the panel: open_panel(*arrays, engine=..., show=..., **image)."""
    opened: list[SegmentWidget] = []

    def open_it(
        *arrays: Any, engine: SegmentEngine | None = None, show: bool = True, **image: Any
    ) -> GuiUser:
        viewer = make_napari_viewer(show=show)
        viewer.window.resize(1000, 700)
        for array in arrays or (np.zeros((200, 300), np.uint8),):
            viewer.add_image(array, **{"contrast_limits": (0, 255), **image})
        widget = SegmentWidget(viewer, engine=engine or DiscEngine())
        opened.append(widget)
        viewer.window.add_dock_widget(widget, name="Pi-SAM", area="right")
        until(lambda: widget.labels is not None, "getting ready")
        # The dock has taken room from the canvas: all of the image shall be seen again.
        viewer.reset_view()
        return GuiUser(viewer, widget)

    yield open_it
    for widget in opened:
        widget.close_work()
    opened.clear()


@pytest.fixture
def user(open_panel: Opener) -> GuiUser:
    """The panel over an image of 200 x 300 pixels."""
    return open_panel()
