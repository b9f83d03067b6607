"""Rectangles round masks and other rectangles."""

from __future__ import annotations

from typing import Protocol

from napari_pisam.geometry import Window


class Bounded(Protocol):
    """A mask that knows the rectangle it fills, such as PlacedMask and PackedMask."""

    @property
    def bounds(self) -> Window | None: ...


def union(*windows: Window | None) -> Window | None:
    """The smallest rectangle that holds all of them, level 0; None for none. None counts as empty.

    What two have in common is `Window.intersection`.
    """
    there = [w for w in windows if w is not None]
    if not there:
        return None
    y, x = min(w.y for w in there), min(w.x for w in there)
    bottom = max(w.y + w.height for w in there)
    right = max(w.x + w.width for w in there)
    return Window(y, x, bottom - y, right - x)


def bounding_window(*masks: Bounded) -> Window | None:
    """The smallest rectangle that holds all pixels of all masks; None when all are empty."""
    return union(*(mask.bounds for mask in masks))
