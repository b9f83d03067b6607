"""Brings the plugin's layers to what is to be seen, and writes only what differs.

`view_state.resolve` says what is to be seen. Nothing here remembers that it is at work: a layer
that is written tells its listeners, our own (`points_input`) among them, and these find in it what
is to be seen and do nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.prompts import Box
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.helper_layers import HelperLayers
from napari_pisam.widgets.viewer.image_choice import ImageChoice
from napari_pisam.widgets.viewer.image_plane import spatial_shape
from napari_pisam.widgets.viewer.napari_compat import camera_of
from napari_pisam.widgets.viewer.preview_layers import (
    BOX,
    PREVIEW,
    UNSURE,
    blank,
    box_vectors,
    clear_result,
    show_result,
)
from napari_pisam.widgets.viewer.prompt_layers import (
    CORRECTIONS,
    PROMPTS,
    clicks_of,
    points_table,
    write_points,
)
from napari_pisam.widgets.viewer.scheduling import Scheduler
from napari_pisam.widgets.viewer.screen_sizes import fit_to_screen, zoom_on
from napari_pisam.widgets.viewer.view_state import ViewOptions, ViewState, resolve

if TYPE_CHECKING:
    from napari.layers import Image

SYNC = "layers"


class LayerSync:
    """Applies the difference between the view state that was applied last and the new one.

    Points are written at once, because scripts read and add to them; mask, doubt and box follow in
    a later turn, once for all that changed until then.
    options: what the person chose to see. applied: the state that was applied last. pixel_ratio:
    pixels of the hardware for one of the window. closed: no layer is touched any more.
    """

    def __init__(
        self,
        session: Session,
        image_choice: ImageChoice,
        helpers: HelperLayers,
        *,
        viewer: Any,
        scheduler: Scheduler,
    ) -> None:
        self._session, self._choice, self._helpers = session, image_choice, helpers
        self._viewer, self._scheduler = viewer, scheduler
        self.options = ViewOptions()
        self.applied = ViewState()
        self.pixel_ratio = 1.0
        self.closed = False

    @property
    def wanted(self) -> ViewState:
        """What the layers are to show now."""
        return resolve(self._session, self._choice.name, self.options)

    def sync(self) -> None:
        """Something may have changed; what is right already is left alone."""
        self.sync_points()
        self._scheduler.request(SYNC, self._apply)

    def show_doubt(self, shown: bool) -> None:
        """Colour the places where the model might as well be wrong, or no longer."""
        self.options = replace(self.options, show_doubt=shown)
        self.sync()

    def show_dragged_box(self, box: Box | None) -> None:
        """Show a box that is being dragged."""
        self.options = replace(self.options, dragged_box=box)
        self.sync()

    def start_again(self) -> None:
        """Another image is chosen, or it lies elsewhere: what is drawn of a result goes with it."""
        self.applied = ViewState()
        image = self._choice.layer
        if image is not None and not self.closed:
            for role in (PREVIEW, UNSURE):
                layer = self._helpers.find(role)
                if layer is not None:
                    blank(layer, image)

    def sync_points(self) -> None:
        """Write the points that differ."""
        image, state = self._choice.layer, self.wanted
        if image is None or self.closed:
            return
        for role in (PROMPTS, CORRECTIONS):
            layer = self._helpers.find(role)
            if layer is None:
                if not clicks_of(state, role):
                    continue
                layer = self._helpers.get(role, image)
                self.fit_zoom()
            write_points(layer, role, points_table(layer, role, state))

    def _apply(self) -> None:
        image = self._choice.layer
        if image is None or self.closed:
            return
        before, state = self.applied, self.wanted
        self.applied = state
        self._apply_results(image, state, before)
        self._apply_box(image, state)
        self.fit_zoom()

    def _apply_results(self, image: Image, state: ViewState, before: ViewState) -> None:
        moved = state.index != before.index
        results = {PREVIEW: (state.result, before.result), UNSURE: (state.doubt, before.doubt)}
        for role, (result, shown) in results.items():
            layer = self._helpers.find(role)
            if layer is None:
                if result is None:
                    continue
                layer = self._helpers.get(role, image)
            elif result is shown and not moved:
                continue
            if result is not None and state.index is not None:
                show_result(layer, image, state.index, result=result)
            elif moved:
                blank(layer, image)
            else:
                clear_result(layer)

    def _apply_box(self, image: Image, state: ViewState) -> None:
        layer = self._helpers.find(BOX)
        boxes = [(state.index, state.box)] if state.index and state.box is not None else []
        if layer is None and boxes:
            layer = self._helpers.get(BOX, image)
        if layer is not None:
            sides = box_vectors(boxes, spatial_shape(image))
            if not np.array_equal(np.asarray(layer.data), sides):
                layer.data = sides

    def fit_zoom(self, event: Any = None) -> None:
        """Lines keep their width on the screen."""
        image, plane, active = self._choice.layer, self._session.plane, self._session.active_object
        if image is None or plane is None or active is None or self.closed:
            return
        if len(plane.key.index) == image.ndim:
            zoom = zoom_on(image, plane.key.index, float(camera_of(self._viewer).zoom))
            fit_to_screen(self._helpers.find, zoom, active.result, pixel_ratio=self.pixel_ratio)
