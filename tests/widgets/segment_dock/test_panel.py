"""The panel: what it shows, and what its controls do."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QWidget

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click
from napari_pisam.session.label_edit import Overlap
from napari_pisam.widgets.segment_dock.dock_state import NEW_LABELS
from napari_pisam.widgets.segment_dock.keys_panel import chosen_keys, to_napari, to_qt
from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser, QTest, until


@pytest.fixture
def user(open_panel: Opener) -> GuiUser:
    """The panel over an image of 200 x 300 pixels; what is not painted takes no time."""
    return open_panel(show=False)


class SlowEngine(DiscEngine):
    """Waits before each answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = 0

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        self.begun += 1
        yield "encode"
        self.go.wait(20)
        yield "decode"
        return (yield from super().steps(request))


class BrokenEngine(DiscEngine):
    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        yield "read"
        raise ValueError("The file is damaged: open it again.")


def click(user: GuiUser, y: float, x: float) -> None:
    user.widget.session.click(Click(y, x, None))
    user.wait()


def texts(box: QComboBox) -> list[str]:
    return [box.itemText(i) for i in range(box.count())]


def test_it_opens_ready_to_click(user: GuiUser) -> None:
    widget = user.widget
    assert widget.image is user.viewer.layers[0]
    assert widget.panel.banner.mode.name == "start"
    assert user.viewer.layers.selection.active is widget.prompts
    assert widget.models.currentText() == "pisam-tiny"
    assert widget.panel.image_choice.currentText() == "array"


def test_every_control_has_a_tooltip_and_fits_a_narrow_dock(user: GuiUser) -> None:
    panel = user.widget.panel
    controls = [
        found
        for kind in (QAbstractButton, QComboBox, QAbstractSpinBox)
        for found in panel.findChildren(kind)
        if not found.objectName().startswith("qt_") and isinstance(found.parent(), QWidget)
    ]
    assert len(controls) > 20
    assert not [c for c in controls if not c.toolTip()]
    assert panel.minimumSizeHint().width() <= 350


def test_layers_are_listed_under_their_present_names(user: GuiUser) -> None:
    panel, viewer = user.widget.panel, user.viewer
    other = viewer.add_image(np.zeros((30, 40)), name="second")
    assert texts(panel.image_choice) == ["second", "array"]
    other.name = "renamed"
    assert texts(panel.image_choice) == ["renamed", "array"]
    panel.image_choice.setCurrentIndex(0)
    panel.image_choice.activated.emit(0)
    assert user.widget.image is other
    until(lambda: user.widget.labels is not None)
    labels = user.widget.labels
    assert labels is not None
    assert labels.data.shape == (30, 40)
    assert texts(panel.labels_choice)[-1] == NEW_LABELS


def test_an_existing_labels_layer_is_chosen_and_its_objects_are_protected(user: GuiUser) -> None:
    data = np.zeros((200, 300), np.uint8)
    data[:, :80] = 7
    layer = user.viewer.add_labels(data, name="mine")
    made = user.widget.labels
    row = texts(user.widget.panel.labels_choice).index("mine")
    user.widget.panel.labels_choice.activated.emit(row)
    assert user.widget.labels is layer
    assert made not in list(user.viewer.layers), "the layer that was made and never used is gone"
    click(user, 60, 80)
    user.widget.keep()
    assert data[60, 79] == 7
    assert data[60, 85] == 8


def test_labels_of_another_shape_are_refused_in_a_sentence(user: GuiUser) -> None:
    user.widget.labels = user.viewer.add_labels(np.zeros((5, 6), int), name="small")
    click(user, 60, 80)
    user.widget.keep()
    shown = user.widget.panel.banner.shown
    assert shown.name == "error"
    assert "small" in shown.hint
    assert "(5, 6)" in shown.hint
    assert user.widget.result is not None


def test_objects_are_listed_shown_corrected_and_deleted(user: GuiUser) -> None:
    widget, table = user.widget, user.widget.panel.table
    for y in (60, 120):
        click(user, y, 80)
        widget.keep()
    user.wait()
    model = table.objects
    cells = [model.data(model.index(0, column)) for column in range(4)]
    assert cells[0] == "2"
    assert cells[1] == "441"
    assert cells[3] == "1"
    assert widget.panel.objects_title.text() == "2 objects"
    table.selectRow(1)
    widget.panel.reopen.click()
    user.wait()
    active_object = widget.session.active_object
    assert active_object is not None
    assert active_object.label == 1
    widget.drop()
    user.wait()
    table.selectRow(1)
    widget.panel.remove.click()
    assert [o.label for o in widget.objects] == [2]
    assert widget.labels is not None
    assert set(np.unique(widget.labels.data)) == {0, 2}


def test_options_reach_the_session(user: GuiUser) -> None:
    keeping, session = user.widget.panel.keeping, user.widget.session
    keeping.overlap.setCurrentIndex(1)
    keeping.holes.setValue(20)
    keeping.specks.setValue(30)
    keeping.object_size.setValue(50)
    options = session.options
    assert (options.overlap, options.object_size) == (Overlap.OVERWRITE, 50.0)
    assert (options.cleaning.holes, options.cleaning.specks) == (20, 30)
    keeping.object_size.setValue(0)
    assert session.options.object_size is None


def test_intensity_and_channels_reach_the_model(open_panel: Opener) -> None:
    images = [np.full((40, 50), v, np.uint16) for v in (1, 2, 3)]
    user = open_panel(*images, contrast_limits=(0, 3), show=False)
    looks, session = user.widget.panel.looks, user.widget.session
    looks.intensity.setCurrentIndex(1)
    assert session.plane is not None
    assert session.plane.intensity is not None
    assert session.plane.intensity.high == (3.0,)
    looks.note.setChecked(True)
    for box, row in zip(looks.bands, (1, 2, 3), strict=True):
        box.setCurrentIndex(row)
    assert session.plane.source.channels == 3
    user.viewer.layers.remove(user.viewer.layers[0])
    assert session.plane.source.channels in (1, 2)


def test_keys_can_be_changed_and_are_kept(user: GuiUser) -> None:
    panel = user.widget.panel.keys_panel
    edit = panel.edits["keep"]
    edit.setKeySequence(QKeySequence("K"))
    edit.editingFinished.emit()
    assert chosen_keys() == {"keep": "K"}
    click(user, 60, 80)
    QTest.keyClick(user.canvas.native, "K")
    assert len(user.widget.objects) == 1
    assert "K" in user.widget.panel.buttons["keep"].text()
    edit.setKeySequence(QKeySequence("Ctrl+Z"))
    edit.editingFinished.emit()
    assert "taken" in user.widget.panel.banner.shown.hint
    assert user.widget.work.keys.keys["keep"] == "K"
    assert to_napari("Ctrl+Shift+Z") == "Control-Shift-Z"
    assert to_qt("Control-Shift-Z") == "Ctrl+Shift+Z"


def test_busy_is_shown_and_can_be_cancelled(open_panel: Opener) -> None:
    engine = SlowEngine()
    user = open_panel(engine=engine, show=False)
    widget = user.widget
    widget.session.click(Click(60, 80, None))
    until(lambda: engine.begun == 1)
    until(lambda: widget.panel.banner.mode.name == "busy")
    widget.work.drop()
    user.let_draw()
    assert widget.panel.banner.mode.name == "start"
    engine.go.set()
    widget.wait_idle(20)
    assert widget.result is None


def test_the_newest_click_wins(open_panel: Opener) -> None:
    engine = SlowEngine()
    user = open_panel(engine=engine, show=False)
    session = user.widget.session
    for x in (80, 90, 100, 110, 120):
        session.click(Click(60, x, None))
        QApplication.processEvents()
    engine.go.set()
    user.wait()
    assert engine.begun <= 3
    assert session.active_object is not None
    assert len(session.active_object.prompt.corrections) == 4
    assert session.active_object.settled


def test_an_error_is_one_sentence_and_the_work_goes_on(open_panel: Opener) -> None:
    user = open_panel(engine=BrokenEngine(), show=False)
    user.widget.session.click(Click(60, 80, None))
    with pytest.raises(RuntimeError, match=r"^The file is damaged: open it again\.$"):
        user.widget.wait_idle(20)
    shown = user.widget.panel.banner.shown
    assert shown.name == "error"
    assert shown.hint == "The file is damaged: open it again."


def test_waiting_too_long_is_told(open_panel: Opener) -> None:
    engine = SlowEngine()
    user = open_panel(engine=engine, show=False)
    user.widget.session.click(Click(60, 80, None))
    with pytest.raises(TimeoutError, match="no mask within"):
        user.widget.wait_idle(0.05)
    engine.go.set()


def test_deleted_labels_can_be_put_back(user: GuiUser) -> None:
    widget = user.widget
    click(user, 60, 80)
    widget.keep()
    labels = widget.labels
    assert labels is not None
    user.viewer.layers.remove(labels)
    assert widget.labels is None
    user.let_draw()
    assert not widget.panel.put_back.isHidden()
    widget.panel.put_back.click()
    assert widget.labels is labels
    assert [o.label for o in widget.objects] == [1]
    user.let_draw()
    assert widget.panel.put_back.isHidden()


def test_a_session_that_ended_is_offered_and_restored(open_panel: Opener) -> None:
    first = open_panel(show=False)
    for y in (60, 120):
        click(first, y, 80)
        first.widget.keep()
    kept = first.widget.labels
    assert kept is not None
    second = open_panel(show=False)
    restore = second.widget.panel.restore
    until(lambda: not restore.isHidden(), "the offer to restore")
    assert restore.text().startswith("Restore 2 objects")
    restore.click()
    labels = second.widget.labels
    assert labels is not None
    assert np.array_equal(labels.data, kept.data)
    assert [o.label for o in second.widget.objects] == [1, 2]
    second.widget.work.reopen(second.widget.objects[0])
    second.wait()
    assert second.widget.result is not None


def test_one_object_is_offered_as_one(open_panel: Opener) -> None:
    first = open_panel(show=False)
    click(first, 60, 80)
    first.widget.keep()
    restore = open_panel(show=False).widget.panel.restore
    until(lambda: not restore.isHidden(), "the offer to restore")
    assert restore.text().startswith("Restore 1 object of ")


def test_two_viewers_share_a_layer_and_stay_apart(open_panel: Opener) -> None:
    # Not shown: vispy's canvases fail to draw what another one has removed.
    first, second = open_panel(show=False), open_panel(show=False)
    image = first.widget.image
    second.viewer.layers.append(image)
    second.widget.image = image
    click(first, 60, 80)
    click(second, 120, 200)
    first.widget.keep()
    assert second.widget.result is not None
    first.viewer.layers.remove(image)
    second.widget.keep()
    assert first.widget.image is None
    assert first.widget.panel.banner.mode.name == "empty"
    assert len(second.widget.objects) == 1


def test_closing_the_dock_gives_everything_back(open_panel: Opener) -> None:
    user = open_panel()
    viewer, widget = user.viewer, user.widget
    click(user, 60, 80)
    widget.keep()
    runner = widget.runner
    click(user, 120, 80)
    dock = next(iter(viewer.window.dock_widgets.values()))
    viewer.window.remove_dock_widget(dock)
    widget.close_work()
    assert [layer.name for layer in viewer.layers] == ["array", "array objects"]
    assert not viewer.mouse_drag_callbacks or all(
        "pisam" not in str(getattr(c, "__module__", "")) for c in viewer.mouse_drag_callbacks
    )
    assert runner.close()


@pytest.mark.parametrize("when", ["idle", "busy"])
def test_closing_the_window(make_napari_viewer: Any, when: str) -> None:
    engine = SlowEngine()
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((50, 60)))
    widget = SegmentWidget(viewer, engine=engine)
    viewer.window.add_dock_widget(widget)
    ending = widget._lifetime
    if when == "busy":
        widget.session.click(Click(20, 20, None))
        until(lambda: engine.begun == 1)
    gone = weakref.ref(widget)
    viewer.close()
    del widget
    for _ in range(5):
        QApplication.processEvents()
        gc.collect()
    engine.go.set()
    ending.end()
    assert ending._runner.close(10)
    del gone


OPENING = """
import sys, numpy as np, napari
viewer = napari.Viewer(show=False)
viewer.add_image(np.zeros((64, 64), np.uint8))
assert not [m for m in sys.modules if m.startswith("napari_pisam.")], "imported at the start"
from napari_pisam.widgets.segment_dock import segment_widget
assert "torch" not in sys.modules
"""


def test_a_viewer_opens_without_torch_and_without_the_plugin(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", OPENING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_plugin_is_found_by_its_names(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((50, 60)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-pisam", "Pi-SAM")
    try:
        assert type(widget).__name__ == "SegmentWidget"
        assert widget.image is viewer.layers[0]
    finally:
        widget.close_work()
