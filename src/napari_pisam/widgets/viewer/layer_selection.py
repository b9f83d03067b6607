"""Adding layers without changing which of them are selected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_pisam.widgets.viewer.identity import is_in


@contextmanager
def keeping_selection(viewer: Any) -> Iterator[None]:
    """Layers added meanwhile do not become the selected ones."""
    active = viewer.layers.selection.active
    selected = set(viewer.layers.selection)
    yield
    viewer.layers.selection = {layer for layer in selected if is_in(layer, viewer.layers)}
    if is_in(active, viewer.layers):
        viewer.layers.selection.active = active
