"""A window is drawn in a turn of its loop that no work shares."""

from __future__ import annotations

import time
from typing import ClassVar

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

TURN_SECONDS = 0.001
"""A turn of the loop in which nothing was done is shorter."""
PATIENCE_SECONDS = 0.03
"""However much is going on, something is to be seen of it after that time."""


class Pictures(QObject):
    """Puts each drawing of a window off by one turn of the loop, until `end`.

    Qt draws at once after the work that changed something, and the two together are one time in
    which the window stands still; between two turns it hears mouse and keys.
    window: the top one, which Qt tells that something of it is to be drawn. waiting: whether a
    drawing has been put off and is still to come.
    """

    _drawing: ClassVar[bool] = False
    """Whether one that was put off is being done: several may watch the same window."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.waiting = False
        self._asked = self._turned = 0.0
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._turn)
        window.installEventFilter(self)

    def end(self) -> None:
        """Leave the window alone; what was put off is done now if it is still to be seen."""
        self._clock.stop()
        window = self.parent()
        if isinstance(window, QWidget):
            window.removeEventFilter(self)
            # One that is going, which may be why it ends, is hidden by then.
            if self.waiting and window.isVisible():
                self._draw()
        self.setParent(None)
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's
        """See Qt: true for what the window shall not hear."""
        asks = event is not None and event.type() == QEvent.Type.UpdateRequest
        if not asks or Pictures._drawing:
            return False
        if not self.waiting:
            self.waiting = True
            self._asked = self._turned = time.perf_counter()
            self._clock.start(0)
        return True

    def _turn(self) -> None:
        now = time.perf_counter()
        worked = now - self._turned > TURN_SECONDS
        if worked and now - self._asked < PATIENCE_SECONDS:
            # There was work in this turn.
            self._turned = now
            self._clock.start(0)
        else:
            self._draw()

    def _draw(self) -> None:
        self.waiting = False
        Pictures._drawing = True
        try:
            window = self.parent()
            if window is not None:
                QCoreApplication.sendEvent(window, QEvent(QEvent.Type.UpdateRequest))
        finally:
            Pictures._drawing = False


def top_window(widget: QWidget) -> QWidget:
    """The window that a widget belongs to, also when its dock floats beside it."""
    window = widget.window() or widget
    parent = window.parentWidget()
    return window if parent is None else top_window(parent)
