"""Work in pieces: at once where there is no window, else so that the window lives between them.

Drawing the window never shares a turn of the loop with a piece of work.
"""

from __future__ import annotations

from collections.abc import Iterator

DONE = object()


def at_once(steps: Iterator[None]) -> None:
    """Do all of it now."""
    for _ in steps:
        continue


def bit_by_bit(steps: Iterator[None]) -> None:
    """Do the first piece now, each other one in a turn of its own once the window is drawn."""
    from qtpy.QtCore import QTimer

    def turn() -> None:
        QTimer.singleShot(0, lambda: bit_by_bit(steps))

    if next(steps, DONE) is not DONE:
        # What a piece has changed is drawn in the next turn.
        QTimer.singleShot(0, turn)
