"""The window is drawn in a turn of the loop of its own: it listens after the work before it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QCoreApplication, QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from napari_pisam.widgets.qt import pictures
from napari_pisam.widgets.qt.pacer import Pacer
from napari_pisam.widgets.qt.pictures import Pictures, top_window
from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import PATIENCE_SECONDS, until
from tests.widgets.paper import Paper

WORK_SECONDS = 0.004


@pytest.fixture
def listening(paper: Paper) -> Paper:
    """A window that notes in what it has seen when it is painted and when it listens."""
    clock = QTimer(paper)
    clock.timeout.connect(lambda: paper.seen.append("heard"))
    clock.start(1)
    return paper


def work(paper: Paper) -> None:
    """Something that takes a while and is to be seen."""
    paper.seen.append("work")
    paper.update()
    time.sleep(WORK_SECONDS)


def after(milliseconds: int, do: Callable[[], None], paper: Paper) -> None:
    """Have the window's loop do something once, in that time."""
    clock = QTimer(paper)
    clock.setSingleShot(True)
    clock.timeout.connect(do)
    clock.start(milliseconds)


def live(condition: Callable[[], bool]) -> None:
    """Run the window's own loop, which knows no pauses, until something is so."""
    loop, looks = QEventLoop(), QTimer()
    looks.timeout.connect(lambda: loop.quit() if condition() else None)
    looks.start(10)
    QTimer.singleShot(int(1000 * PATIENCE_SECONDS), loop.quit)
    loop.exec()
    assert condition()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_the_window_listens_between_work_and_the_picture_of_it(
    listening: Paper, moments: list[int]
) -> None:
    """Whenever work comes: also just before a picture that was due already."""
    listening.seen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PATIENCE_SECONDS", 60.0)
        watching = Pictures(listening)
        for moment in moments:
            after(moment, lambda: work(listening), listening)
        live(
            lambda: (
                listening.seen.count("work") == len(moments)
                and "painted" in listening.seen[_last(listening.seen, "work") :]
            )
        )
        watching.end()
    for place, what in enumerate(listening.seen):
        if what == "painted":
            before = listening.seen[:place]
            assert "heard" in before[_last(before, "work") :]


def _last(seen: list[str], what: str) -> int:
    return len(seen) - 1 - seen[::-1].index(what)


def test_without_it_qt_draws_before_the_window_listens(listening: Paper) -> None:
    """Else the test above would hold for any window."""
    after(0, lambda: work(listening), listening)
    live(lambda: "painted" in listening.seen)
    since = listening.seen[listening.seen.index("work") : listening.seen.index("painted")]
    assert "heard" not in since


def test_a_window_that_is_never_at_rest_is_drawn_all_the_same(paper: Paper) -> None:
    Pictures(paper)
    busy = QTimer(paper)
    busy.timeout.connect(lambda: work(paper))
    busy.start(0)
    live(lambda: paper.seen.count("painted") >= 3)
    busy.stop()
    between = paper.seen[paper.seen.index("painted") :][::-1]
    most = 3 * pictures.PATIENCE_SECONDS / WORK_SECONDS
    assert between.count("work") / between.count("painted") < most


def test_a_picture_that_was_put_off_is_drawn_when_nobody_watches_any_more(paper: Paper) -> None:
    watching = Pictures(paper)
    paper.update()
    QCoreApplication.sendPostedEvents()
    assert watching.waiting
    assert paper.seen == []
    watching.end()
    assert paper.seen == ["painted"]
    paper.update()
    QCoreApplication.sendPostedEvents()
    assert paper.seen == ["painted", "painted"], "from then on Qt draws when it wants to"


def test_two_panels_over_one_window_do_not_keep_each_other_from_drawing(paper: Paper) -> None:
    first, second = Pictures(paper), Pictures(paper)
    paper.update()
    until(lambda: "painted" in paper.seen, "the picture")
    first.end()
    paper.update()
    until(lambda: paper.seen.count("painted") == 2, "the next picture")
    second.end()
    paper.update()
    until(lambda: paper.seen.count("painted") == 3, "the last picture")


def test_a_window_may_go_while_a_picture_of_it_is_put_off(qtbot: Any) -> None:
    window = QWidget()
    Pictures(window)
    window.show()
    until(window.isVisible, "the window")
    window.update()
    QCoreApplication.sendPostedEvents()
    window.close()
    window.deleteLater()
    for _ in range(5):
        QApplication.processEvents()


def test_no_piece_of_work_is_done_before_a_picture_that_was_put_off(paper: Paper) -> None:
    watching = Pictures(paper)
    pacer = Pacer(picture_waits=lambda: watching.waiting)
    pacer(paper.steps())
    until(lambda: paper.seen.count("painted") == 3, "three pictures")
    assert paper.seen == ["step 0", "painted", "step 1", "painted", "step 2", "painted"]


def test_the_window_of_a_floating_dock_is_the_one_beside_which_it_floats(qtbot: Any) -> None:
    window, dock, inside = QMainWindow(), QDockWidget(), QWidget()
    qtbot.addWidget(window)
    dock.setWidget(inside)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    assert top_window(inside) is window
    dock.setFloating(True)
    assert inside.window() is not window
    assert top_window(inside) is window


def test_the_panel_watches_its_viewer_and_leaves_it_alone_when_it_goes(open_panel: Opener) -> None:
    user = open_panel()
    window = user.viewer.window._qt_window
    assert len(window.findChildren(Pictures)) == 1
    user.widget.close_work()
    QApplication.processEvents()
    assert window.findChildren(Pictures) == []


def test_a_floating_panel_watches_the_viewer_and_gives_it_back_when_it_is_closed(
    open_panel: Opener,
) -> None:
    user = open_panel()
    window = user.viewer.window._qt_window
    dock: Any = user.widget.parentWidget()
    dock.setFloating(True)
    until(lambda: user.widget.window() is not window, "the dock floating")
    QApplication.processEvents()
    assert len(window.findChildren(Pictures)) == 1
    # As its cross does; with nobody left who holds it the panel goes then.
    dock.destroyOnClose()
    user.widget.close_work()
    assert window.findChildren(Pictures) == []
    names = [layer.name for layer in user.viewer.layers]
    assert not [name for name in names if name.startswith("Pi-SAM")]


def test_a_viewer_may_be_closed_while_a_picture_of_it_is_put_off(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((50, 60)))
    widget = SegmentWidget(viewer, engine=DiscEngine())
    viewer.window.add_dock_widget(widget)
    widget.wait_idle()
    ending, window = widget._ending, viewer.window._qt_window
    window.update()
    QCoreApplication.sendPostedEvents()
    assert ending.picture_waits
    viewer.close()
    del widget, window
    for _ in range(5):
        QApplication.processEvents()
        gc.collect()
    ending.end()
    assert not ending.picture_waits
    assert ending._runner.close(10)
