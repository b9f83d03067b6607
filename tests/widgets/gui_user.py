"""A user of the window in a test: real mouse and key events on the canvas of a viewer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QCursor
from qtpy.QtTest import QTest as _QTest
from qtpy.QtWidgets import QApplication

from napari_pisam.widgets.segment_dock.segment_widget import SegmentWidget

# Its overloads take a widget; the canvas of a viewer has no type.
QTest: Any = _QTest

PATIENCE_SECONDS = 120.0
# napari takes a move in only 5 ms after the one before; no hand lets a button go sooner.
REST_SECONDS = 0.01


def until(condition: Callable[[], bool], what: str = "it") -> None:
    """Let the window live until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        QApplication.processEvents()
        assert time.monotonic() < end, f"{what} did not happen in {PATIENCE_SECONDS:g} s"
        time.sleep(0.002)
    QApplication.processEvents()


class GuiUser:
    """Mouse and keyboard over a viewer. Places are image pixels (y, x) of the widget's image."""

    def __init__(self, viewer: Any, widget: SegmentWidget) -> None:
        self.viewer, self.widget = viewer, widget

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas

    def at(self, y: float, x: float) -> QPoint:
        image, plane = self.widget.view.image, self.widget.session.plane
        assert image is not None
        assert plane is not None
        places = iter((y, x))
        data = [next(places) if p is None else p for p in plane.key.index]
        world = np.asarray(image.data_to_world(data))
        displayed = [world[d - self.viewer.dims.ndim] for d in self.viewer.dims.displayed]
        transform = self.canvas.view.transform * self.canvas.view.scene.transform
        spot = transform.map([*displayed[::-1], 0, 1])
        spot = spot[:2] / spot[3]
        return QPoint(round(float(spot[0])), round(float(spot[1])))

    def move(self, y: float, x: float) -> None:
        # A mouse that is there already makes no event.
        for off in (3, 0):
            self._move_to(self.at(y, x) + QPoint(off, off))

    def _move_to(self, spot: QPoint) -> None:
        """Move the pointer, and wait: it is the screen's, whose news take a moment to come."""
        events: list[Any] = []

        def note(event: Any) -> None:
            events.append(event)

        moved = self.canvas._scene_canvas.events.mouse_move
        there = QCursor.pos() == self.canvas.native.mapToGlobal(spot)
        moved.connect(note)
        QTest.mouseMove(self.canvas.native, spot)
        # Now and then a screen tells nothing; what follows then waits for what it is about.
        end = time.monotonic() + 2
        while not (there or events) and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)
        rested = time.monotonic() + REST_SECONDS
        while time.monotonic() < rested:
            QApplication.processEvents()
        # All of that time may have gone into one picture.
        QApplication.processEvents()
        moved.disconnect(note)

    def click(
        self,
        y: float,
        x: float,
        *,
        button: Qt.MouseButton = Qt.MouseButton.LeftButton,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        QApplication.processEvents()
        QTest.mouseClick(self.canvas.native, button, modifier, self.at(y, x))
        QApplication.processEvents()

    def drag(
        self,
        start: tuple[float, float],
        stop: tuple[float, float],
        *,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        left, native = Qt.MouseButton.LeftButton, self.canvas.native
        a, b = self.at(*start), self.at(*stop)
        QTest.mousePress(native, left, modifier, a)
        for part in (0.2, 0.6, 1.0):
            where = QPoint(
                round(a.x() + part * (b.x() - a.x())), round(a.y() + part * (b.y() - a.y()))
            )
            self._move_to(where)
        QTest.mouseRelease(native, left, modifier, b)
        QApplication.processEvents()

    def press(
        self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        QTest.keyClick(self.canvas.native, key, modifier)
        self.let_draw()

    def let_draw(self) -> None:
        """Let the window be drawn; a mask may still be on its way."""
        until(lambda: not self.widget.drawing, "drawing the window")

    def bright(self) -> Any:
        """Rows and columns of the canvas that are not dark."""
        QApplication.processEvents()
        shown = self.viewer.screenshot(canvas_only=True, flash=False)[..., :3]
        return np.argwhere(shown.max(2) > 60)

    def wait(self) -> None:
        self.widget.wait_idle(PATIENCE_SECONDS)
