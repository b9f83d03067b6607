"""Work in pieces, so that the window is drawn and listens between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from qtpy.QtCore import QTimer

DONE = object()


class Pacer:
    """Does the first piece of a work now, and all others one between two pictures of the window.

    Several works take turns. Drawing the window never shares a turn of the loop with a piece.
    """

    def __init__(self) -> None:
        self._waiting: deque[Iterator[None]] = deque()

    def __call__(self, steps: Iterator[None]) -> None:
        """Begin a work."""
        if next(steps, DONE) is not DONE:
            self._waiting.append(steps)
            if len(self._waiting) == 1:
                self._go_on_after_drawing()

    def _go_on_after_drawing(self) -> None:
        # What a piece has changed is drawn in the turn between the two.
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, self._piece))

    def _piece(self) -> None:
        # It counts as waiting while it is done, so that what it begins makes no clock of its own.
        steps = self._waiting[0]
        try:
            if next(steps, DONE) is not DONE:
                self._waiting.append(steps)
        finally:
            self._waiting.popleft()
            if self._waiting:
                self._go_on_after_drawing()
