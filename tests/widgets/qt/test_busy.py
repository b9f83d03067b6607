"""The bar in napari's activity dock: for long work only, and telling nothing twice."""

from __future__ import annotations

import time
from typing import Any

import pytest
from napari.utils.progress import cancelable_progress, progress
from qtpy.QtCore import QObject, QTimer

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Click
from napari_pisam.widgets.qt import busy
from napari_pisam.widgets.qt.busy import BusyBar
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import QTest, until

SOON_MILLISECONDS = 30


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch, qapp: Any) -> QObject:
    monkeypatch.setattr(busy, "MOMENT_MILLISECONDS", SOON_MILLISECONDS)
    return QObject()


def bars() -> list[Any]:
    return list(progress._all_instances)


def test_work_that_is_over_soon_makes_no_bar(parent: QObject) -> None:
    bar = BusyBar(parent, cancelled=lambda: None)
    bar.show("Looking")
    bar.close()
    QTest.qWait(4 * SOON_MILLISECONDS)
    assert bars() == []


def test_a_bar_tells_each_text_once_for_each_telling_draws_the_window(
    parent: QObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(progress, "set_description", lambda bar, text: told.append(text))
    bar = BusyBar(parent, cancelled=lambda: None)
    bar.show("Looking")
    until(lambda: len(bars()) == 1, "the bar")
    # The bar is made with its first text.
    assert "Looking" in bars()[0].desc
    for text in ("Looking", "Drawing", "Drawing", "Looking"):
        bar.show(text)
    assert told == ["Drawing", "Looking"]
    bar.close()
    assert bars() == []


def test_quick_answers_one_after_the_other_make_no_bar(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the panel, which is painted later, may never see the model rest."""
    monkeypatch.setattr(busy, "MOMENT_MILLISECONDS", 300)
    opened: list[int] = []
    monkeypatch.setattr(BusyBar, "_open", lambda bar: opened.append(1))
    user = open_panel(show=False)
    session, clicks = user.widget.session, iter(range(80, 300))
    end = time.monotonic() + 1.5

    def click() -> None:
        if not session.busy and time.monotonic() < end:
            session.click(Click(60, next(clicks), None))

    session.changed.connect(lambda: QTimer.singleShot(0, click))
    click()
    until(lambda: time.monotonic() > end, "the end of a second and a half")
    user.wait()
    assert session.active_object is not None
    assert len(session.active_object.prompt.corrections) > 3
    assert opened == []


def test_a_late_word_of_a_question_that_was_dropped_makes_no_bar(
    open_panel: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "MOMENT_MILLISECONDS", SOON_MILLISECONDS)
    opened: list[int] = []
    monkeypatch.setattr(BusyBar, "_open", lambda bar: opened.append(1))
    user = open_panel(show=False)
    heard: list[SegmentRequest] = []
    user.widget.session.requested.connect(heard.append)
    user.widget.session.click(Click(60, 80, None))
    user.widget.drop()
    user.widget.runner.stage.emit(heard[0].id, "trial")
    QTest.qWait(4 * SOON_MILLISECONDS)
    assert opened == []


def test_the_bars_button_cancels_the_work_at_once_not_at_its_next_stage(parent: QObject) -> None:
    cancelled: list[str] = []
    bar = BusyBar(parent, cancelled=lambda: cancelled.append("work"))
    bar.show("Getting the model", done=1, total=3)
    until(lambda: len(bars()) == 1, "the bar")
    assert [bars()[0].n, bars()[0].total] == [1, 3]
    bars()[0].cancel()
    until(lambda: cancelled == ["work"], "the cancelling")
    assert bars() == []
    QTest.qWait(3 * busy.LOOK_MILLISECONDS)
    assert cancelled == ["work"], "it is told once"


@pytest.mark.parametrize("while_napari", ["makes the bar", "changes its text"])
def test_no_bar_is_left_when_the_work_ends_while_napari_draws_it(
    parent: QObject, monkeypatch: pytest.MonkeyPatch, while_napari: str
) -> None:
    """napari lets the window live meanwhile, and a result may come."""
    bar = BusyBar(parent, cancelled=lambda: None)
    made: list[str] = []

    def make(**options: Any) -> Any:
        made.append(options["desc"])
        if while_napari == "makes the bar":
            bar.close()
        return cancelable_progress(**options)

    monkeypatch.setattr("napari.utils.cancelable_progress", make)
    monkeypatch.setattr(progress, "set_description", lambda shown, text: bar.close())
    bar.show("Looking", done=1, total=3)
    until(lambda: len(made) == 1, "the bar")
    if while_napari == "changes its text":
        assert len(bars()) == 1
        bar.show("Drawing", done=2, total=3)
    assert bars() == []
