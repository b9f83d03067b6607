"""Changes of the host that the plugin does not make, so that what each would buy can be measured.

`python -m benchmarks.gui --compare` measures without any, then with one at a time, in turn on the
same machine. They are on only for the process of that measurement.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

SWITCH_SECONDS = 0.0005
NICENESS = 15
PATIENCE_SECONDS = 0.03


def switch_interval(viewer: Any) -> None:
    """Python's lock changes hands ten times as often."""
    sys.setswitchinterval(SWITCH_SECONDS)


def niceness(viewer: Any) -> None:
    """The model's thread gets the processor after all others; Linux only."""
    for thread in threading.enumerate():
        if thread.name == "pi-sam" and thread.native_id is not None:
            os.setpriority(os.PRIO_PROCESS, thread.native_id, NICENESS)


def held_repaints(viewer: Any) -> None:
    """Each repaint of napari's window waits for a turn of the event loop without work before it."""
    import time

    from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer

    class Holder(QObject):
        def __init__(self, window: Any) -> None:
            super().__init__(window)
            self.asked = 0.0
            self.painting = False
            self.timer = QTimer(self)
            self.timer.setSingleShot(True)
            self.timer.timeout.connect(self.turn)
            window.installEventFilter(self)

        def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
            if event.type() != QEvent.Type.UpdateRequest or self.painting:
                return False
            if not self.timer.isActive():
                self.asked = self.turned = time.perf_counter()
                self.timer.start(0)
            return True

        def turn(self) -> None:
            now = time.perf_counter()
            if now - self.turned > 0.001 and now - self.asked < PATIENCE_SECONDS:
                self.turned = now
                self.timer.start(0)
                return
            self.painting = True
            QCoreApplication.sendEvent(self.parent(), QEvent(QEvent.Type.UpdateRequest))
            self.painting = False

    Holder(viewer.window._qt_window)


MECHANISMS: dict[str, Callable[[Any], None]] = {
    "switch-interval": switch_interval,
    "niceness": niceness,
    "held-repaints": held_repaints,
}
"""What to do to a viewer whose panel is open, by the name on the command line."""
