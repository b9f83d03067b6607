"""What a session holds, shown in the layers of a viewer; and points that come from the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.prompts import Box, Click
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.helper_layers import HelperLayers
from napari_pisam.widgets.viewer.identity import LayerNames
from napari_pisam.widgets.viewer.image_plane import spatial_shape
from napari_pisam.widgets.viewer.label_layers import LabelLayers
from napari_pisam.widgets.viewer.layer_transform import rows_of
from napari_pisam.widgets.viewer.preview_layers import (
    BOX,
    BOX_LINE,
    PREVIEW,
    UNSURE,
    box_vectors,
    clear_result,
    relief_limits,
    show_result,
)
from napari_pisam.widgets.viewer.prompt_layers import (
    CORRECTIONS,
    PROMPTS,
    Row,
    colour_clicks,
    fit_points,
    plane_clicks,
    rows_elsewhere,
    tell_changed,
    write_clicks,
)

if TYPE_CHECKING:
    from napari.layers import Image, Layer


class Display:
    """Keeps our layers in line with a session, in both directions.

    when_free: see LayerBridge. image: the layer that is segmented; the bridge sets it. closed:
    nothing is shown any more. pixel_ratio: pixels of the hardware for one of the window.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        names: LayerNames,
        targets: LabelLayers,
        *,
        when_free: Callable[[Iterator[None]], None],
    ) -> None:
        self.viewer, self.session = viewer, session
        self._when_free = when_free
        self._due, self._at_work = False, 0
        self.names, self._targets = names, targets
        self.helpers = HelperLayers(viewer, made=self._helper_made)
        self.image: Image | None = None
        self.show_unsure = False
        self.pixel_ratio = 1.0
        self.closed = False
        self._writing = False
        self._shown: tuple[Any, ...] = ()
        self._undrawn, self._untold = set[str](), set[str]()
        self._stale_pictures: set[str] = set()
        self._drawn_box: Box | None = None

    @property
    def camera(self) -> Any:
        """The viewer's camera, which moved in napari 0.9."""
        return self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera

    def _helper_made(self, role: str, layer: Layer) -> None:
        if role in (PROMPTS, CORRECTIONS):
            layer.events.data.connect(lambda event: self._on_points(role, layer, event))

    def _on_points(self, role: str, layer: Layer, event: Any) -> None:
        """A point was added, moved or removed, by hand or by a script."""
        if self._writing or self.helpers.find(role) is not layer:
            return
        if str(getattr(event, "action", "changed")) not in ("added", "removed", "changed"):
            return
        self.take_clicks({role: self.clicks_in(role, self.session.plane)})
        self.show()

    def forget_shown(self) -> None:
        """Draw the result anew with the next `show`."""
        self._shown = ()

    def clear_clicks(self) -> None:
        """Empty the points layers, which says nothing about any object."""
        with self._writes():
            self.helpers.clear_clicks()

    def clicks_in(self, role: str, plane: ImagePlane | None) -> tuple[Click, ...] | None:
        """The clicks of a layer that lie on a plane; None when there is no such layer."""
        layer = self.helpers.find(role)
        if layer is None or plane is None:
            return None
        others = self._rows(role, but=plane.key)
        return plane_clicks(layer, role, plane.key.index, others=others)

    def take_clicks(self, found: dict[str, tuple[Click, ...] | None]) -> None:
        """Make the session's clicks those of the layers; outside the image is nothing."""
        plane = self.session.plane
        for role, clicks in found.items():
            if clicks is None or plane is None:
                continue
            inside = tuple(c for c in clicks if plane.holds(c))
            if len(inside) < len(clicks):
                self.session.message.emit("info", "That point is outside the image.")
            if role == PROMPTS:
                self.session.set_points(inside)
            else:
                self.session.set_corrections(inside)

    def _planes(self, role: str) -> list[tuple[PlaneKey, tuple[Click, ...]]]:
        """The clicks of every plane of the image that was worked on."""
        name = self.names.of(self.image) if self.image is not None else None
        planes = []
        for state in self.session.plane_states:
            prompt = state.active_object.prompt
            clicks = prompt.points if role == PROMPTS else prompt.corrections
            if state.plane.key.image == name and clicks:
                planes.append((state.plane.key, clicks))
        return planes

    def _rows(self, role: str, *, but: PlaneKey | None = None) -> frozenset[Row]:
        """The rows of the layer that the session knows; but: a plane that is left out."""
        rows: list[NDArray[np.float64]] = []
        for key, clicks in self._planes(role):
            if key != but:
                rows.extend(rows_of(key.index, [(c.y, c.x) for c in clicks]))
        return frozenset(tuple(row) for row in rows)

    @contextmanager
    def _from_session(self) -> Iterator[None]:
        """What the points layers tell now comes from the session."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    @contextmanager
    def _writes(self) -> Iterator[None]:
        """What is written now does so too, and shows nothing new in the layer list."""
        with self._from_session(), self.helpers.unlisted():
            yield

    def prepare(self) -> Iterator[None]:
        """Make the layers that the first click needs, one a step, so that it need not wait."""
        image = self.image
        for role in (PROMPTS, PREVIEW, CORRECTIONS):
            yield
            if self.closed or image is not self.image or self.session.plane is None:
                return
            if image is not None:
                with self._writes():
                    self.helpers.get(role, image)
            if role == PROMPTS:
                self.viewer.layers.selection.active = self.helpers.find(role)
        yield
        if not self.closed and image is self.image and image is not None:
            self._targets.prepare(image)
            self.fit_zoom()
            self.show()

    def draw_box(self, box: Box | None) -> None:
        """Show a box that is being dragged."""
        self._drawn_box = box
        with self._writes():
            self._show_boxes()

    def show(self) -> None:
        """Bring the layers in line with the session; what is right already is left alone.

        Points are also read, so they are written at once, but drawn later. What is only looked at
        follows in steps of its own, so that the window never stands still for all of it.
        """
        if self.image is None or self.closed:
            return
        with self._writes():
            self._show_clicks(PROMPTS)
            self._show_clicks(CORRECTIONS)
            self._show_boxes()
        if not self._due:
            self._due = True
            self._at_work += 1
            self._when_free(self._draw())

    @property
    def drawing(self) -> bool:
        """Whether what only the eye reads is still to be drawn, or others still to be told."""
        return self._at_work > 0

    @property
    def undrawn(self) -> bool:
        """Whether the eye does not see yet which points the session has."""
        return self._at_work > 0 and (self._due or bool(self._undrawn))

    def _draw(self) -> Iterator[None]:
        """Mask and points, as the session has them by then, in one picture each."""
        try:
            yield
            self._due = False
            if self.image is None or self.closed:
                return
            shown = self._shown
            with self._writes():
                self._show_answer()
            if self._shown is not shown:
                yield
                if self._due or self.closed:
                    return
            with self._writes():
                for role in (PROMPTS, CORRECTIONS):
                    self._draw_clicks(role)
            finishing: tuple[Callable[[], None], ...] = (
                partial(self._tell, PROMPTS),
                partial(self._tell, CORRECTIONS),
                self._show_thumbnails,
            )
            for finish in finishing:
                yield
                # What is shown anew is told of afterwards.
                if self._due:
                    return
                finish()
        finally:
            self._at_work -= 1

    def _show_thumbnails(self) -> None:
        """The layer list last: it is looked at least, and takes as long to draw as a mask."""
        stale, self._stale_pictures = self._stale_pictures, set()
        for role in stale:
            layer = self.helpers.find(role)
            if layer is not None and not self.closed:
                layer.events.thumbnail()

    def _tell(self, role: str) -> None:
        """Others who listen to a layer of points hear that they have changed."""
        layer = self.helpers.find(role)
        if layer is not None and role in self._untold and not self.closed:
            with self._from_session():
                tell_changed(layer)
        self._untold.discard(role)

    def _show_clicks(self, role: str) -> None:
        planes = [(key.index, clicks) for key, clicks in self._planes(role)]
        layer = self.helpers.find(role)
        if layer is None and planes and self.image is not None:
            layer = self.helpers.get(role, self.image)
        if layer is not None:
            plane = self.session.plane
            known = self._rows(role)
            elsewhere = rows_elsewhere(layer, plane.key.index, known) if plane is not None else []
            if write_clicks(layer, role, planes, elsewhere=elsewhere):
                for waiting in (self._undrawn, self._untold, self._stale_pictures):
                    waiting.add(role)

    def _draw_clicks(self, role: str) -> None:
        layer = self.helpers.find(role)
        if layer is not None:
            if colour_clicks(layer, role):
                self._stale_pictures.add(role)
            if role in self._undrawn:
                layer.refresh(thumbnail=False, extent=False)
        self._undrawn.discard(role)

    def _show_boxes(self) -> None:
        plane = self.session.plane
        boxes = []
        if plane is not None and self.session.active_object is not None:
            box = self._drawn_box or self.session.active_object.prompt.box
            boxes = [(plane.key.index, box)] if box is not None else []
        layer = self.helpers.find(BOX)
        if layer is None and boxes and self.image is not None:
            layer = self.helpers.get(BOX, self.image)
            self.fit_zoom()
        if layer is not None and self.image is not None:
            sides = box_vectors(boxes, spatial_shape(self.image))
            if not np.array_equal(np.asarray(layer.data), sides):
                layer.data = sides

    def _show_answer(self) -> None:
        active_object, plane = self.session.active_object, self.session.plane
        result = active_object.result if active_object is not None else None
        shown = (result, plane.key if plane else None, self.show_unsure)
        if shown == self._shown or self.image is None:
            return
        same_plane = bool(self._shown) and self._shown[1] == shown[1]
        self._shown = shown
        if plane is None:
            return
        wanted = {PREVIEW: result, UNSURE: result if self.show_unsure else None}
        for role, what in wanted.items():
            layer = self.helpers.find(role)
            if layer is None and what is not None:
                layer = self.helpers.get(role, self.image)
            if layer is None:
                continue
            before = layer.data
            if what is None and same_plane:
                clear_result(layer)
            else:
                show_result(layer, self.image, plane.key.index, what)
            if layer.data is not before:
                self._stale_pictures.add(role)
        self.fit_zoom()

    def fit_zoom(self, event: Any = None) -> None:
        """Lines keep their width on the screen."""
        if self.image is None or self.session.plane is None:
            return
        index = self.session.plane.key.index
        spacing = [abs(s) for s, p in zip(self.image.scale, index, strict=True) if p is None]
        zoom = float(self.camera.zoom) * float(np.mean(spacing))
        for role in (PROMPTS, CORRECTIONS):
            points = self.helpers.find(role)
            if points is not None and zoom > 0:
                fit_points(points, zoom, ratio=self.pixel_ratio)
        active_object = self.session.active_object
        preview, box = self.helpers.find(PREVIEW), self.helpers.find(BOX)
        if preview is not None and active_object is not None and active_object.result is not None:
            limits = relief_limits(zoom, active_object.result.pixel_size)
            if not np.allclose(preview.contrast_limits, limits):
                preview.contrast_limits = limits
        if box is not None and len(box.data):
            box.edge_width = BOX_LINE / max(zoom, 1e-6)
