"""Work in pieces, so that the window is drawn and listens between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from qtpy.QtCore import QTimer

DONE = object()


class Pacer:
    """Does the first piece of a work now, and all others one between two pictures of the window.

    Several works take turns. Drawing the window never shares a turn of the loop with a piece.
    picture_waits: whether one was put off, see `pictures`.
    """

    def __init__(self, *, picture_waits: Callable[[], bool] = lambda: False) -> None:
        self._picture_waits = picture_waits
        self._waiting: deque[Iterator[None]] = deque()
        self._begun = False
        # With each of its ticks the loop has turned once; a call that is queued in Qt, as a single
        # shot of no time is, comes before mouse and keys.
        self._clock = QTimer()
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(lambda: self._turn())

    def __call__(self, steps: Iterator[None]) -> None:
        """Begin a work."""
        if next(steps, DONE) is not DONE:
            self._waiting.append(steps)
            self._begun = True
            if len(self._waiting) == 1:
                self._clock.start(0)

    def _turn(self) -> None:
        if self._begun or self._picture_waits():
            # What has changed is drawn first, also where the window was not asked to yet.
            self._begun = False
            self._clock.start(0)
            return
        # It counts as waiting while it is done, so that what it begins starts no clock.
        steps = self._waiting[0]
        try:
            if next(steps, DONE) is not DONE:
                self._waiting.append(steps)
        finally:
            self._waiting.popleft()
            if self._waiting:
                self._clock.start(0)
