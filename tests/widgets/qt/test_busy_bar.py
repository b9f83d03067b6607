"""The bar of a download: what it says, its button, and how often it is painted."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication

from napari_pisam.widgets.qt.busy_bar import BusyBar
from tests.widgets.gui_user import QTest, until


class PaintCounter(QObject):
    """Counts how often a widget is painted."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """See Qt."""
        self.count += event is not None and event.type() == QEvent.Type.Paint
        return False


@pytest.fixture
def bar(qtbot: Any) -> BusyBar:
    made = BusyBar()
    qtbot.addWidget(made)
    return made


def test_it_is_seen_only_while_something_goes_on(bar: BusyBar) -> None:
    assert bar.isHidden()
    bar.show_progress("Downloading x", done=1, total=4)
    assert not bar.isHidden()
    assert (bar.title.text(), bar.bar.value()) == ("Downloading x", 25)
    bar.finish()
    assert bar.isHidden()


def test_work_of_unknown_length_has_a_title_and_no_animated_bar(bar: BusyBar) -> None:
    bar.show_progress("Downloading x", done=17)
    assert bar.bar.isHidden()
    assert bar.bar.maximum() > 0
    assert bar.findChildren(QTimer) == []


def test_its_button_cancels_at_once_and_once(bar: BusyBar) -> None:
    heard: list[str] = []
    bar.cancelled.connect(lambda: heard.append("cancelled"))
    bar.show_progress("Downloading x", done=1, total=4)
    bar.cancel.click()
    assert heard == ["cancelled"]


def test_it_is_painted_once_a_percent_however_often_progress_is_told(bar: BusyBar) -> None:
    bar.show_progress("Downloading x", total=100_000)
    bar.show()
    until(bar.isVisible, "the bar")
    QTest.qWait(100)
    counter = PaintCounter()
    bar.bar.installEventFilter(counter)
    for done in range(1000, 3000, 10):
        bar.show_progress("Downloading x", done=done, total=100_000)
        QApplication.processEvents()
    assert 1 <= counter.count <= 4
