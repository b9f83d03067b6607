"""Work in pieces: at once where there is no window, else so that the window lives between them."""

from __future__ import annotations

from collections.abc import Iterator

DONE = object()


def at_once(steps: Iterator[None]) -> None:
    """Do all of it now."""
    for _ in steps:
        continue


def bit_by_bit(steps: Iterator[None]) -> None:
    """Do a piece each time that the window has nothing else to do."""
    from qtpy.QtCore import QTimer

    if next(steps, DONE) is not DONE:
        QTimer.singleShot(0, lambda: bit_by_bit(steps))
