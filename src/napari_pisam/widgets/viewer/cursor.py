"""The mouse over the image: a ring of the typical size before the first click, then cross-hairs.

While clicks are napari's, it looks as the selected layer wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np

from napari_pisam.widgets.viewer.identity import is_in
from napari_pisam.widgets.viewer.napari_compat import hide_middle_of_ring

if TYPE_CHECKING:
    from napari_pisam.widgets.viewer.scheduling import Scheduler
    from napari_pisam.widgets.viewer.viewer_session import ViewerSession

RING_PIXELS = 9.0
REFRESH, MAKE_RING = "cursor", "make ring"
RING_MOVES = 2
"""With its second move the mouse is where the ring is drawn; before the first it is nowhere."""


class Cursor:
    """Keeps a viewer's cursor in line with the session.

    is_ours: whether a click now is one on the object. closed: the cursor is left alone.
    """

    def __init__(
        self, view: ViewerSession, scheduler: Scheduler, *, is_ours: Callable[[], bool]
    ) -> None:
        self._view, self._scheduler = view, scheduler
        self._is_ours = is_ours
        self._moves = 0
        self.closed = False

    def refresh(self) -> None:
        """Give the cursor its style and size now."""
        if self.closed:
            return
        viewer, image, state = self._view.viewer, self._view.image, self._view.layer_sync.wanted
        cursor, active = viewer.cursor, viewer.layers.selection.active
        if not self._is_ours() or state.index is None:
            theirs = is_in(active, viewer.layers)
            cursor.size = active.cursor_size if theirs else 1
            cursor.style = active.cursor if theirs else "standard"
        elif state.ring_size is not None and image is not None and self._moves >= RING_MOVES:
            spacing = float(np.mean(np.abs(np.asarray(image.scale)[-2:])))
            cursor.size = state.ring_size * spacing
            cursor.style = "circle"
        else:
            cursor.style = "crosshair"

    def refresh_soon(self) -> None:
        """Do so in a later turn, once for all that changes until then."""
        self._scheduler.request(REFRESH, self.refresh)

    def moved(self) -> None:
        """The mouse has moved over the image."""
        if self._moves < RING_MOVES:
            self._moves += 1
            if self._moves == RING_MOVES:
                self.refresh()
            else:
                self._scheduler.request(MAKE_RING, self._make_ring)

    def _make_ring(self) -> Generator[None, None, None]:
        """Have napari make its ring, too small to be seen in the corner where it then lies.

        Making and drawing the first one takes long; the next move puts it where the mouse is.
        """
        if self.closed:
            return
        viewer = self._view.viewer
        hide_middle_of_ring(viewer)
        viewer.cursor.size = RING_PIXELS / float(self._view.camera.zoom)
        viewer.cursor.style = "circle"
        yield
        self.refresh()
