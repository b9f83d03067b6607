"""Work in later turns of Qt's event loop."""

from __future__ import annotations

from collections.abc import Hashable

from qtpy.QtCore import QObject, QTimer

from napari_pisam.widgets.viewer.scheduling import Work, WorkQueue


class QtScheduler(QObject):
    """Does one step of work a turn, so that the window hears mouse and keys between two.

    See `viewer.scheduling.Scheduler`.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = WorkQueue()
        self._closed = False
        # A timer of no time ends once the loop has handled what had come; a queued call, as
        # QTimer.singleShot makes one, is handled before mouse and keys.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    @property
    def idle(self) -> bool:
        """See Scheduler."""
        return self._queue.empty and not self._queue.running

    def request(self, key: Hashable, work: Work) -> None:
        """See Scheduler. Nothing is done after `close`."""
        if not self._closed:
            self._queue.put(key, work)
            self._start()

    def close(self) -> None:
        """Drop the works that wait, and take no more."""
        self._closed = True
        self._timer.stop()
        self._queue.clear()

    def _start(self) -> None:
        if not self._queue.empty:
            self._timer.start(0)

    def _turn(self) -> None:
        # A step may let the loop turn: no other is done meanwhile.
        if self._queue.running or self._queue.empty:
            return
        try:
            self._queue.step()
        finally:
            if self._closed:
                # The work itself has closed it, and may have more steps.
                self._queue.clear()
            self._start()
