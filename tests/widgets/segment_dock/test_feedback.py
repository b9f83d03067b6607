"""What the panel and the layers tell: errors that stay, colours of the list, changes of points."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_pisam.predict.relief import EDGE, STEP, relief_of
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click
from napari_pisam.session.journal import read_journal
from napari_pisam.widgets.segment_dock import banner, modes
from napari_pisam.widgets.viewer.colours import DOUBT, rgba
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser, QTest


class FailsOnce(DiscEngine):
    def __init__(self) -> None:
        super().__init__()
        self.failed = False

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        if not self.failed:
            self.failed = True
            raise ValueError("The file is damaged: open it again.")
        return (yield from super().steps(request))


@pytest.fixture
def user(open_panel: Opener) -> GuiUser:
    """The panel over an image of 200 x 300 pixels; what is not painted takes no time."""
    return open_panel(show=False)


def click(user: GuiUser, y: float, x: float) -> None:
    user.widget.session.click(Click(y, x, None))
    user.wait()


def test_an_error_stays_until_the_next_click(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banner, "MESSAGE_SECONDS", 0.05)
    user = open_panel(engine=FailsOnce(), show=False)
    shown = user.widget.panel.banner
    with pytest.raises(RuntimeError, match="damaged"):
        click(user, 60, 80)
    QTest.qWait(200)
    assert shown.shown.name == "error"
    click(user, 60, 80)
    assert shown.shown.name == "correct"


def test_a_remark_goes_after_a_while(user: GuiUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banner, "MESSAGE_SECONDS", 0.05)
    shown = user.widget.panel.banner
    shown.show_message("info", "A remark.")
    assert shown.shown.title == "A remark."
    QTest.qWait(200)
    assert shown.shown.title != "A remark."


def test_listed_objects_have_their_colour_in_the_labels(user: GuiUser) -> None:
    for x in (80, 200):
        click(user, 60, x)
        user.widget.keep()
    user.wait()
    model, labels = user.widget.panel.table.objects, user.widget.labels
    assert labels is not None
    for row, kept in enumerate(reversed(user.widget.objects)):
        shown = model.data(model.index(row, 0), Qt.ItemDataRole.DecorationRole)
        wanted = np.round(255 * np.asarray(labels.get_color(kept.label))[:3])
        assert [shown.red(), shown.green(), shown.blue()] == wanted.tolist()
        assert model.data(model.index(row, 1), Qt.ItemDataRole.DecorationRole) is None


def test_nothing_can_be_corrected_or_deleted_before_an_object_is_chosen(user: GuiUser) -> None:
    panel = user.widget.panel
    click(user, 60, 80)
    user.widget.keep()
    user.wait()
    panel.table.clearSelection()
    panel.table.setCurrentIndex(panel.table.objects.index(-1, -1))
    assert [panel.reopen.isEnabled(), panel.remove.isEnabled()] == [False, False]
    panel.table.selectRow(0)
    assert [panel.reopen.isEnabled(), panel.remove.isEnabled()] == [True, True]


def test_whoever_listens_to_the_prompts_hears_of_a_click_and_of_its_undo(user: GuiUser) -> None:
    prompts, heard = user.widget.prompts, list[int]()
    assert prompts is not None

    def note(event: Any) -> None:
        heard.append(len(event.value))

    prompts.events.data.connect(note)
    click(user, 60, 80)
    assert heard[-1:] == [1]
    user.widget.undo()
    user.wait()
    assert heard[-1:] == [0]


def test_there_is_no_ring_before_the_mouse_has_been_on_the_canvas(open_panel: Opener) -> None:
    user = open_panel()
    user.viewer.mouse_over_canvas = True
    user.widget.panel.keeping.object_size.setValue(40)
    assert not len(user.bright())
    user.move(100, 150)
    lit = user.bright()
    spot = user.at(100, 150)
    assert np.allclose((lit.min(0) + lit.max(0)) / 2, (spot.y(), spot.x()), atol=2)


def test_the_banner_follows_the_tools_of_the_selected_layer(user: GuiUser) -> None:
    shown, prompts = user.widget.panel.banner, user.widget.prompts
    user.viewer.layers.selection.active = prompts
    user.let_draw()
    assert shown.mode.name == "start"
    prompts.mode = "add"
    user.let_draw()
    assert shown.mode.name == "paused"
    assert "tool" in shown.mode.title
    prompts.mode = "pan_zoom"
    user.let_draw()
    assert shown.mode.name == "start"
    shapes = user.viewer.add_shapes(name="mine")
    user.let_draw()
    assert "Press Box" not in shown.mode.hint
    shapes.add_rectangles(np.array([[10, 10], [50, 60]]))
    user.let_draw()
    assert "Press Box" in shown.mode.hint


def test_a_brush_has_its_own_size_at_the_mouse_after_the_ring(open_panel: Opener) -> None:
    user = open_panel()
    labels, cursor = user.widget.labels, user.viewer.cursor
    assert labels is not None
    user.widget.panel.keeping.object_size.setValue(40)
    user.viewer.layers.selection.active = labels
    # The first time napari tells of the brush's size.
    labels.mode = "paint"
    labels.mode = "pan_zoom"
    user.move(100, 150)
    assert (str(cursor.style), cursor.size) == ("circle", 40)
    labels.mode = "paint"
    assert (str(cursor.style), cursor.size) == ("circle", labels.cursor_size)


def test_clicks_are_taken_and_undone_while_their_layer_is_hidden(open_panel: Opener) -> None:
    user = open_panel()
    click(user, 60, 80)
    user.widget.prompts.visible = False
    user.widget.keep()
    user.wait()
    click(user, 140, 200)
    assert len(user.widget.prompts.data) == 1
    user.widget.undo()
    user.wait()
    assert not len(user.widget.prompts.data)
    user.widget.prompts.visible = True
    click(user, 140, 200)
    assert np.allclose(user.widget.prompts.data, [[140, 200]])


def test_a_keep_is_whole_before_the_window_is_drawn_again(user: GuiUser) -> None:
    click(user, 60, 80)
    user.widget.keep()
    labels = user.widget.labels
    assert labels is not None
    assert labels.data[60, 80] == 1
    assert [len(user.widget.prompts.data), len(user.widget.objects)] == [0, 1]
    (told,) = read_journal(user.widget.work.journaling.journal.path)
    assert [o.label for o in told.objects] == [1]
    # A script goes on at once.
    user.widget.prompts.add([140, 200])
    user.wait()
    user.widget.keep()
    assert labels.data[140, 200] == 2


def test_a_click_is_painted_before_the_model_gets_the_processor(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = open_panel()
    seen: list[str] = []
    submit = user.widget.runner.submit

    def handed_over(request: SegmentRequest) -> None:
        seen.append("handed over")
        submit(request)

    monkeypatch.setattr(user.widget.runner, "submit", handed_over)
    user.widget.prompts.events.set_data.connect(lambda event: seen.append("point"))
    user.canvas._scene_canvas.events.draw.connect(lambda event: seen.append("picture"))
    user.click(60, 80)
    user.wait()
    before = seen[: seen.index("handed over")]
    assert "point" in before
    assert "picture" in before[before.index("point") :]


def test_what_lies_below_the_banner_does_not_jump_with_the_mode(open_panel: Opener) -> None:
    user = open_panel()
    shown, heights = user.widget.panel.banner, set()
    for mode in (modes.START, modes.WORKING, modes.CORRECT, modes.ADDING, modes.REMOVING):
        shown.show_mode(mode)
        for _ in range(40):
            QApplication.processEvents()
        heights.add((shown.height(), user.widget.panel.buttons["keep"].y()))
    assert len(heights) == 1


class Doubting(DiscEngine):
    """Tosses a coin all along the edge, some pixels to both sides."""

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        result = yield from super().steps(request)
        relief = relief_of(result.logits > 0).astype(float)
        near_the_edge = np.abs(relief - EDGE) < 6 * STEP
        unsure = np.where(near_the_edge, result.logits * 1e-4, result.logits * 9)
        return replace(result, logits=unsure.astype(np.float32)).prepared()


def test_where_the_model_doubts_is_seen_over_the_outline(open_panel: Opener) -> None:
    user = open_panel(engine=Doubting())
    user.click(60, 80)
    user.wait()
    result = user.widget.result
    assert result is not None
    spot = user.at(result.placed.y - 0.5, 80)

    def seen() -> NDArray[np.float64]:
        QApplication.processEvents()
        picture = user.viewer.screenshot(canvas_only=True, flash=False)
        shown: NDArray[np.float64] = picture[spot.y(), spot.x(), :3] / 255
        return shown

    before = seen()
    user.press(Qt.Key.Key_U)
    user.wait()
    over = seen()
    assert np.abs(over - rgba(DOUBT, 1)[:3]).max() < 0.15
    assert np.abs(over - before).max() > 0.2
    user.press(Qt.Key.Key_U)
    user.wait()
    assert np.abs(seen() - before).max() < 0.02
