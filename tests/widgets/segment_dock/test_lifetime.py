"""Closing the panel leaves the process, napari's window and other people's modules as they were."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click
from napari_pisam.widgets.segment_dock.lifetime import Connections, top_window
from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import until

SECONDS = 3.0
REPAINTS_MAX = 15
"""While a result is awaited for `SECONDS`; an animation would paint the window 80 times."""


class Noting(DiscEngine):
    """SegmentEngine with discs and notes the thread that it runs in; waits to be let go."""

    def __init__(self, *, waits: bool = False) -> None:
        super().__init__()
        self.niceness: set[int] = set()
        self.begun, self.go = threading.Event(), threading.Event()
        if not waits:
            self.go.set()

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        if sys.platform.startswith("linux"):
            self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        self.begun.set()
        yield "encode"
        self.go.wait(60)
        return (yield from super().steps(request))


class RepaintCounter(QObject):
    """Counts what a window is asked to be painted anew."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """See Qt."""
        self.count += event is not None and event.type() == QEvent.Type.UpdateRequest
        return False


@dataclass(frozen=True)
class HostState:
    """What a plugin could change of its host without being seen."""

    switch_interval: float
    blocked_modules: frozenset[str]
    threads: frozenset[str]
    niceness: int
    timers: int
    children: frozenset[str]


def host_state(window: QWidget) -> HostState:
    """The state of the process and of napari's window. Its event filters are children of it."""
    modules: dict[str, Any] = dict(sys.modules)
    active = [timer for timer in window.findChildren(QTimer) if timer.isActive()]
    return HostState(
        switch_interval=sys.getswitchinterval(),
        blocked_modules=frozenset(name for name, found in modules.items() if found is None),
        threads=frozenset(t.name for t in threading.enumerate() if t.name.startswith("pi-sam")),
        niceness=os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0,
        timers=len(active),
        children=frozenset(
            type(child).__module__
            for child in window.findChildren(QObject)
            if type(child).__module__.startswith("napari_pisam")
        ),
    )


def test_closing_the_panel_leaves_its_host_as_it_was(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((200, 300), np.uint8))
    window = viewer.window._qt_window
    until(window.isVisible, "the window")
    before = host_state(window)
    engine = Noting()
    widget = SegmentWidget(viewer, engine=engine)
    dock = viewer.window.add_dock_widget(widget, name="Pi-SAM")
    until(lambda: widget.labels is not None, "getting ready")
    widget.session.click(Click(60, 80, None))
    widget.wait_idle(60)
    widget.keep()
    during = host_state(window)
    assert during.switch_interval == before.switch_interval
    assert during.blocked_modules == before.blocked_modules
    assert engine.niceness <= {before.niceness}, "the model's thread has the priority of all"
    scheduler, runner = widget.scheduler, widget.runner
    widget.session.click(Click(120, 80, None))
    viewer.window.remove_dock_widget(dock)
    widget.close_work()
    assert scheduler.idle
    assert runner.close(20)
    widget.setParent(None)
    widget.deleteLater()
    until(lambda: host_state(window) == before, "the host as it was")


def test_the_window_is_not_painted_again_and_again_while_a_result_is_awaited(
    open_panel: Opener,
) -> None:
    """Each repaint takes the processor from the model where OpenGL is software."""
    engine = Noting(waits=True)
    user = open_panel(engine=engine)
    user.click(60, 80)
    until(engine.begun.is_set, "the model at work")
    user.let_draw()
    counter, waited = RepaintCounter(), threading.Event()
    window = user.viewer.window._qt_window
    window.installEventFilter(counter)
    timer = threading.Timer(SECONDS, waited.set)
    timer.start()
    until(waited.is_set, "the time")
    window.removeEventFilter(counter)
    engine.go.set()
    user.wait()
    assert counter.count <= REPAINTS_MAX


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


def test_a_floating_panel_gives_the_viewer_back_when_it_is_closed(open_panel: Opener) -> None:
    user = open_panel()
    window = user.viewer.window._qt_window
    dock: Any = user.widget.parentWidget()
    dock.setFloating(True)
    until(lambda: user.widget.window() is not window, "the dock floating")
    QApplication.processEvents()
    # As its cross does; with nobody left who holds it the panel goes then.
    dock.destroyOnClose()
    user.widget.close_work()
    names = [layer.name for layer in user.viewer.layers]
    assert not [name for name in names if name.startswith("Pi-SAM")]


def test_what_is_connected_is_disconnected_and_what_qt_has_deleted_is_no_error(qtbot: Any) -> None:
    heard: list[str] = []
    living, deleted = QObject(), QObject()
    connections = Connections()
    for thing in (living, deleted):
        connections.add(thing.objectNameChanged, heard.append)
    living.setObjectName("a")
    deleted.deleteLater()
    QApplication.sendPostedEvents(deleted, QEvent.Type.DeferredDelete)
    connections.close()
    living.setObjectName("b")
    assert heard == ["a"]
