"""The mouse over the picture: a ring of the typical size before the first click, then cross-hairs.

While clicks are napari's, it looks as the selected layer wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_pisam.widgets.viewer.identity import is_in
from napari_pisam.widgets.viewer.napari_compat import hide_middle_of_ring

if TYPE_CHECKING:
    from napari_pisam.widgets.viewer.layer_bridge import LayerBridge
    from napari_pisam.widgets.viewer.mouse import Mouse

RING_PIXELS = 9.0
RING_MOVES = 2
"""With its second move the mouse is where the ring is drawn; before the first it is nowhere."""


class Cursor:
    """Keeps a viewer's cursor in line with the session.

    when_free: see LayerBridge. closed: the cursor is left alone.
    """

    def __init__(
        self, bridge: LayerBridge, mouse: Mouse, *, when_free: Callable[[Iterator[None]], None]
    ) -> None:
        self._bridge, self._mouse = bridge, mouse
        self._when_free = when_free
        self._moves, self._due = 0, False
        self.closed = False

    def refresh(self) -> None:
        """Look right now."""
        if self.closed:
            return
        viewer, image, session = self._bridge.viewer, self._bridge.image, self._bridge.session
        cursor, active_object, active = (
            viewer.cursor,
            session.active_object,
            viewer.layers.selection.active,
        )
        if not self._mouse.listens or active_object is None:
            theirs = is_in(active, viewer.layers)
            cursor.size = active.cursor_size if theirs else 1
            cursor.style = active.cursor if theirs else "standard"
            return
        size = session.typical_size
        placed = self._moves >= RING_MOVES
        if active_object.untouched and size is not None and image is not None and placed:
            spacing = float(np.mean(np.abs(np.asarray(image.scale)[-2:])))
            cursor.size = size * spacing
            cursor.style = "circle"
        else:
            cursor.style = "crosshair"

    def refresh_soon(self) -> None:
        """Look right when the mask is drawn, in the same picture."""
        if not self._due:
            self._due = True
            self._when_free(self._refresh())

    def _refresh(self) -> Iterator[None]:
        yield
        self._due = False
        self.refresh()

    def moved(self) -> None:
        """The mouse has moved over the picture."""
        if self._moves < RING_MOVES:
            self._moves += 1
            if self._moves == RING_MOVES:
                self.refresh()
            else:
                self._when_free(self._make_ring())

    def _make_ring(self) -> Iterator[None]:
        """Have napari make its ring, too small to be seen in the corner where it then lies.

        Making and drawing the first one takes long; the next move puts it where the mouse is.
        """
        viewer = self._bridge.viewer
        hide_middle_of_ring(viewer)
        viewer.cursor.size = RING_PIXELS / float(self._bridge.camera.zoom)
        viewer.cursor.style = "circle"
        yield
        self.refresh()
