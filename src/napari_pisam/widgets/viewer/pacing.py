"""Work in pieces where there is no window, and nobody waits for it to be drawn."""

from __future__ import annotations

from collections.abc import Iterator


def at_once(steps: Iterator[None]) -> None:
    """Do all of it now."""
    for _ in steps:
        continue
