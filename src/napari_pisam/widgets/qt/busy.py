"""Work that takes longer than a moment, shown in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

MOMENT_MILLISECONDS = 2000
"""The panel's banner tells at once; napari draws the window each time that its bar changes."""
LOOK_MILLISECONDS = 100


class BusyBar(QObject):
    """A bar in the activity dock while something goes on, once it has gone on for a moment.

    cancelled: called when the person presses the bar's cancel button. Bars are made and closed
    on the main thread only: napari aborts the process otherwise.
    """

    def __init__(self, parent: QObject, *, cancelled: Callable[[], None]) -> None:
        super().__init__(parent)
        self._cancelled = cancelled
        self._bar: Any = None
        self._wanted = False
        self._text, self._told, self._done, self._total = "", "", 0, 0
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._open)
        # napari's bar tells nobody that its button was pressed.
        self._watch = QTimer(self)
        self._watch.timeout.connect(self._look)

    def show(self, text: str, *, done: int = 0, total: int = 0) -> None:
        """Say what goes on. total: 0 when nobody knows how long it will take."""
        self._text, self._done, self._total = text, done, total
        self._wanted = True
        if self._bar is not None:
            self._update()
        elif not self._clock.isActive():
            self._clock.start(MOMENT_MILLISECONDS)

    def close(self) -> None:
        """It is over."""
        self._wanted = False
        self._clock.stop()
        self._watch.stop()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _open(self) -> None:
        from napari.utils import cancelable_progress

        self._told = self._text
        bar = cancelable_progress(
            total=self._total, desc=self._text, cancel_callback=self._cancelled
        )
        # napari lets the window live while it makes or changes a bar: all may be over by now.
        if not self._wanted:
            bar.close()
            return
        self._bar = bar
        self._watch.start(LOOK_MILLISECONDS)
        self._update()

    def _look(self) -> None:
        if getattr(self._bar, "is_canceled", False):
            self.close()
            self._cancelled()

    def _update(self) -> None:
        if self._told != self._text:
            self._told = self._text
            self._bar.set_description(self._text)
        if self._total and self._bar is not None:
            self._bar.total = self._total
            self._bar.n = self._done
            self._bar.refresh()
