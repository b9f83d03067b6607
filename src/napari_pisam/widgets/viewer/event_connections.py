"""Connecting to several events at once, and letting go of all of them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def connect(*pairs: tuple[Any, Callable[..., None]]) -> Callable[[], None]:
    """Connect emitters to callbacks; returns what disconnects them all."""
    for emitter, callback in pairs:
        emitter.connect(callback)

    def disconnect() -> None:
        for emitter, callback in pairs:
            emitter.disconnect(callback)

    return disconnect
