"""Work that yields between its steps, run to its end by whoever wants the result alone."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def finish(steps: Generator[object, None, T]) -> T:
    """What a generator returns at its end, for callers who want no progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
