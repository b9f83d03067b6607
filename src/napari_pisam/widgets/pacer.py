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
        self._begun = False

    def __call__(self, steps: Iterator[None]) -> None:
        """Begin a work."""
        if next(steps, DONE) is not DONE:
            self._waiting.append(steps)
            self._begun = True
            if len(self._waiting) == 1:
                self._go_on_after_drawing()

    def _go_on_after_drawing(self) -> None:
        # A clock holds no method's object, but a function's.
        QTimer.singleShot(0, lambda: self._draw_first())

    def _draw_first(self) -> None:
        # What a piece has changed is drawn in the turn between the two.
        self._begun = False
        QTimer.singleShot(0, lambda: self._piece())

    def _piece(self) -> None:
        if self._begun:
            # What was begun in that turn has changed something after the turn's drawing.
            self._go_on_after_drawing()
            return
        # It counts as waiting while it is done, so that what it begins makes no clock of its own.
        steps = self._waiting[0]
        try:
            if next(steps, DONE) is not DONE:
                self._waiting.append(steps)
        finally:
            self._waiting.popleft()
            if self._waiting:
                self._go_on_after_drawing()
