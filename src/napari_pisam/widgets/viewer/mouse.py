"""A click on the canvas becomes a click of the session, whichever layer is selected.

A click that does not move is one on the object (`Session.click`); a drag moves the image as
always; a drag with Shift or Control, or in box mode, draws a box. While one of napari's own tools
is in hand (adding or selecting points, painting), the mouse is napari's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.prompts import Box, Click
from napari_pisam.widgets.viewer.napari_compat import zooms_on_double_click

if TYPE_CHECKING:
    from napari_pisam.widgets.viewer.viewer_session import ViewerSession

DRAG_MIN_PIXELS = 5.0
LEFT, RIGHT = 1, 2


class Mouse:
    """Listens to a viewer's mouse.

    boxed(box): a box was dragged. hovered(click): where the mouse is, None outside the image.
    """

    def __init__(
        self,
        view: ViewerSession,
        *,
        boxed: Callable[[Box], None],
        hovered: Callable[[Click | None], None],
    ) -> None:
        self._view = view
        self._boxed, self._hovered = boxed, hovered
        self.enabled = True
        self.box_mode = False
        viewer = view.viewer
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        # Two quick clicks are two clicks here: napari would zoom in.
        self._zooms = zooms_on_double_click(viewer)
        for found in self._zooms:
            viewer.mouse_double_click_callbacks.remove(found)
        viewer.mouse_double_click_callbacks.append(self._on_double_click)

    def close(self) -> None:
        """Give the mouse back to napari."""
        viewer = self._view.viewer
        for callbacks, callback in (
            (viewer.mouse_drag_callbacks, self._on_press),
            (viewer.mouse_move_callbacks, self._on_move),
            (viewer.mouse_double_click_callbacks, self._on_double_click),
        ):
            if callback in callbacks:
                callbacks.remove(callback)
        viewer.mouse_double_click_callbacks.extend(self._zooms)

    @property
    def listens(self) -> bool:
        """Whether a click now is a click on the object."""
        view = self._view
        if not self.enabled or view.session.plane is None:
            return False
        active = view.viewer.layers.selection.active
        ours = active is None or active is view.image or active is view.label_layers.layer
        if not (ours or active in view.helpers):
            return False
        return active is None or str(active.mode) == "pan_zoom"

    def _pixel(self, event: Any) -> Click | None:
        """The image pixel of a mouse event, None while no plane of the image is shown."""
        return self._view.plane_shown.pixel(event.position)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self.listens or event.button not in (LEFT, RIGHT):
            return
        modifiers = set(event.modifiers)
        if "Alt" in modifiers:
            # napari's own: drag a rectangle to zoom.
            return
        start, began = np.asarray(event.pos), self._pixel(event)
        boxing = event.button == LEFT and (self.box_mode or bool(modifiers & {"Shift", "Control"}))
        moved = False
        with self._still_view() if boxing else nullcontext():
            yield
            while event.type == "mouse_move":
                way = float(np.linalg.norm(np.asarray(event.pos) - start))
                moved = moved or way > DRAG_MIN_PIXELS
                if boxing and moved:
                    self._view.layer_sync.show_dragged_box(_box(began, self._pixel(event)))
                if boxing or not moved:
                    event.handled = True
                yield
        if boxing and moved:
            box = _box(began, self._pixel(event))
            self._view.layer_sync.show_dragged_box(None)
            if box is not None:
                self._boxed(box)
        elif not moved and began is not None:
            self._click(began, event.button, modifiers)

    @contextmanager
    def _still_view(self) -> Iterator[None]:
        """The image does not move with the mouse.

        napari hears of quick moves late, when its camera has followed them already.
        """
        camera = self._view.camera
        before, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
        finally:
            camera.mouse_pan = before

    def _click(self, click: Click, button: int, modifiers: set[str]) -> None:
        """What a click means: left the object or a correction, right or Shift not the object."""
        session = self._view.session
        if button == RIGHT or "Shift" in modifiers:
            session.click(Click(click.y, click.x, False), prompt=True)
        elif "Control" in modifiers:
            session.click(Click(click.y, click.x, True), prompt=True)
        else:
            session.click(click)

    def _on_double_click(self, viewer: Any, event: Any) -> None:
        if not self.listens:
            for zoom in self._zooms:
                zoom(viewer, event)

    def _on_move(self, viewer: Any, event: Any) -> None:
        self._hovered(self._pixel(event) if self.listens else None)


def _box(start: Click | None, stop: Click | None) -> Box | None:
    """The box between two corners; None when it has no extent."""
    if start is None or stop is None or start.y == stop.y or start.x == stop.x:
        return None
    rows, cols = sorted((start.y, stop.y)), sorted((start.x, stop.x))
    return Box(rows[0], cols[0], rows[1], cols[1])
