"""One viewer and its session: layers become commands, what the session holds becomes layers.

Every layer is held by identity and may vanish at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_pisam.images.source import ImageError
from napari_pisam.prompts import Box, Click
from napari_pisam.session.canvas import LabelCanvas
from napari_pisam.session.plane import ImagePlane, PlaneIndex, PlaneKey
from napari_pisam.session.session import Session
from napari_pisam.widgets.frames import pixel_at, rows_of
from napari_pisam.widgets.helper_layers import HelperLayers
from napari_pisam.widgets.identity import LayerNames, is_in, role_of, unwrapped
from napari_pisam.widgets.image_plane import Look, image_plane, plane_index
from napari_pisam.widgets.label_canvas import connect
from napari_pisam.widgets.preview_layers import (
    BOX,
    BOX_LINE,
    PREVIEW,
    UNSURE,
    box_vectors,
    relief_limits,
    show_answer,
)
from napari_pisam.widgets.prompt_layers import (
    CORRECTIONS,
    PROMPTS,
    Row,
    fit_points,
    plane_clicks,
    rows_elsewhere,
    write_clicks,
)
from napari_pisam.widgets.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Image, Layer

FRAME_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")


class LayerBridge:
    """Ties one viewer to a session.

    Signals: image_changed(), another image (or none) is chosen; layers_changed(), layers came,
    went or were renamed.
    """

    image_changed = Signal()
    layers_changed = Signal()

    def __init__(self, viewer: Any) -> None:
        self.viewer = unwrapped(viewer)
        self.names = LayerNames()
        self.targets = Targets(self.viewer, self.names)
        self.session = Session(self)
        self.helpers = HelperLayers(self.viewer, made=self._helper_made)
        self.image: Image | None = None
        self.look = Look()
        self.show_unsure = False
        self._versions: dict[str, int] = {}
        self._writing = False
        self._shown: tuple[Any, ...] = ()
        self._drawn_box: Box | None = None
        self._let_go_image: Callable[[], None] = lambda: None
        layers, dims = self.viewer.layers, self.viewer.dims
        self._disconnect = connect(
            (layers.events.inserted, self._on_inserted),
            (layers.events.removed, self._on_removed),
            (layers.events.reordered, self._on_layers),
            (dims.events.point, self._on_dims),
            (dims.events.order, self._on_dims),
            (dims.events.ndisplay, self._on_dims),
            (dims.events.ndim, self._on_dims),
            (self.camera.events.zoom, self._on_zoom),
        )
        self.session.changed.connect(self.show)
        self.choose_image(self.newest_image())

    @property
    def camera(self) -> Any:
        """The viewer's camera, which moved in napari 0.9."""
        return self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer; our layers go too while it lives, kept labels stay."""
        self._disconnect()
        self._let_go_image()
        self.session.changed.disconnect(self.show)
        self.targets.close()
        if viewer_lives:
            self.helpers.drop_all()

    # Which image, which plane.

    def images(self) -> list[Image]:
        """The image layers that can be segmented, the topmost first."""
        from napari.layers import Image as ImageLayer

        return [
            layer
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, ImageLayer) and role_of(layer) is None and layer.ndim >= 2
        ]

    def newest_image(self) -> Image | None:
        """The selected image, else the topmost one."""
        active = self.viewer.layers.selection.active
        images = self.images()
        return next((i for i in images if i is active), images[0] if images else None)

    def choose_image(self, image: Image | None) -> None:
        """Segment that image from now on."""
        image = unwrapped(image)
        if image is self.image and image is not None:
            return
        self._let_go_image()
        self.image = image
        self.look = Look()
        if image is not None:
            frame_events = [(getattr(image.events, e), self._on_frame) for e in FRAME_EVENTS]
            self._let_go_image = connect((image.events.data, self._on_pixels), *frame_events)
            with self._writes():
                self.helpers.clear_clicks()
            self.helpers.drop_other_ndim(image)
            self.targets.fit(image)
        else:
            self._let_go_image = lambda: None
            self.helpers.drop_all()
        self.refresh_plane()
        self._prepare()
        self.image_changed.emit()

    def choose_look(self, look: Look) -> None:
        """Show the image to the model in another way."""
        self.look = look
        self._count_version()
        self.refresh_plane()

    def refresh_plane(self) -> None:
        """Look at the plane that the viewer shows."""
        try:
            plane = self._plane_shown()
        except ImageError as error:
            self.session.said.emit("error", str(error))
            plane = None
        self._shown = ()
        # A script may have put points on this plane before anybody looked at it.
        found = {role: self._clicks_in(role, plane) for role in (PROMPTS, CORRECTIONS)}
        self.session.look_at(plane)
        self._take_clicks(found)

    def _plane_shown(self) -> ImagePlane | None:
        if self.image is None:
            return None
        index = plane_index(self.image, self.viewer.dims)
        if index is None:
            return None
        name = self.names.of(self.image)
        version = str(self._versions.get(name, 0))
        look = self.look
        if not all(is_in(band, self.viewer.layers) for band in look.bands):
            look = self.look = Look(as_displayed=look.as_displayed)
        return image_plane(self.image, index, look, name=name, version=version)

    def go_to(self, index: PlaneIndex, click: Click | None = None) -> None:
        """Show that plane of the image, and a place on it in the middle of the canvas."""
        if self.image is None:
            return
        data = np.zeros(self.image.ndim)
        axes = [axis for axis, position in enumerate(index) if position is None]
        for axis, position in enumerate(index):
            data[axis] = 0 if position is None else position
        if click is not None:
            data[axes] = (click.y, click.x)
        world = np.asarray(self.image.data_to_world(data))[-self.image.ndim :]
        missing = self.viewer.dims.ndim - self.image.ndim
        for axis, position in enumerate(index):
            if position is not None:
                self.viewer.dims.set_point(axis + missing, float(world[axis]))
        if click is not None:
            self.camera.center = tuple(world[axes])

    def pixel(self, world: Any) -> Click | None:
        """The image pixel at a place of the viewer; None when no plane of the image is shown."""
        plane = self.session.plane
        if self.image is None or plane is None:
            return None
        y, x = pixel_at(self.image, world, plane.key.index)
        return Click(y, x, None)

    # Canvases, for the session.

    def current(self, plane: ImagePlane) -> LabelCanvas:
        """See Canvases."""
        return self.targets.canvas_for(self.image)

    # From layers to the session.

    def _helper_made(self, role: str, layer: Layer) -> None:
        if role in (PROMPTS, CORRECTIONS):
            layer.events.data.connect(lambda event: self._on_points(role, layer, event))

    def _on_points(self, role: str, layer: Layer, event: Any) -> None:
        """A point was added, moved or removed, by hand or by a script."""
        if self._writing or self.helpers.find(role) is not layer:
            return
        if str(getattr(event, "action", "changed")) not in ("added", "removed", "changed"):
            return
        self._take_clicks({role: self._clicks_in(role, self.session.plane)})
        self.show()

    def _clicks_in(self, role: str, plane: ImagePlane | None) -> tuple[Click, ...] | None:
        """The clicks of a layer that lie on a plane; None when there is no such layer."""
        layer = self.helpers.find(role)
        if layer is None or plane is None:
            return None
        others = self._rows(role, but=plane.key)
        return plane_clicks(layer, role, plane.key.index, others=others)

    def _take_clicks(self, found: dict[str, tuple[Click, ...] | None]) -> None:
        """Make the session's clicks those of the layers; outside the image is nothing."""
        plane = self.session.plane
        for role, clicks in found.items():
            if clicks is None or plane is None:
                continue
            inside = tuple(c for c in clicks if plane.holds(c))
            if len(inside) < len(clicks):
                self.session.said.emit("info", "That point is outside the image.")
            if role == PROMPTS:
                self.session.set_points(inside)
            else:
                self.session.set_corrections(inside)

    def _planes(self, role: str) -> list[tuple[PlaneKey, tuple[Click, ...]]]:
        """The clicks of every plane of the image that was worked on."""
        name = self.names.of(self.image) if self.image is not None else None
        planes = []
        for desk in self.session.desks:
            prompt = desk.running.prompt
            clicks = prompt.points if role == PROMPTS else prompt.corrections
            if desk.plane.key.image == name and clicks:
                planes.append((desk.plane.key, clicks))
        return planes

    def _rows(self, role: str, *, but: PlaneKey | None = None) -> frozenset[Row]:
        """The rows of the layer that the session knows; but: a plane that is left out."""
        rows: list[NDArray[np.float64]] = []
        for key, clicks in self._planes(role):
            if key != but:
                rows.extend(rows_of(key.index, [(c.y, c.x) for c in clicks]))
        return frozenset(tuple(row) for row in rows)

    def _on_inserted(self, event: Any) -> None:
        if self.image is None:
            self.choose_image(self.newest_image())
        self.targets.notice_removed()
        self._on_layers()

    def _on_removed(self, event: Any) -> None:
        if self.image is not None and not is_in(self.image, self.viewer.layers):
            gone, self.image = self.image, None
            self.session.forget_image(self.names.of(gone))
            self.choose_image(self.newest_image())
        self.targets.notice_removed()
        self._on_layers()

    def _on_layers(self, event: Any = None) -> None:
        self.layers_changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        index = plane_index(self.image, self.viewer.dims) if self.image is not None else None
        plane = self.session.plane
        if index != (plane.key.index if plane else None):
            self.refresh_plane()

    def _on_pixels(self, event: Any = None) -> None:
        self._count_version()
        self.refresh_plane()

    def _count_version(self) -> None:
        if self.image is not None:
            name = self.names.of(self.image)
            self._versions[name] = self._versions.get(name, 0) + 1

    def _on_frame(self, event: Any = None) -> None:
        if self.image is not None:
            self.helpers.follow(self.image)
            self.targets.follow(self.image)
            self.refresh_plane()

    # From the session to layers.

    @contextmanager
    def _writes(self) -> Iterator[None]:
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def _prepare(self) -> None:
        """Make the layers that the first click needs, so that it need not wait for them."""
        if self.image is None or self.session.plane is None:
            return
        for role in (PREVIEW, PROMPTS, CORRECTIONS):
            self.helpers.get(role, self.image)
        self._on_zoom()
        self.targets.prepare(self.image)
        self.viewer.layers.selection.active = self.helpers.get(PROMPTS, self.image)
        self.show()

    def draw_box(self, box: Box | None) -> None:
        """Show a box that is being dragged."""
        self._drawn_box = box
        with self._writes():
            self._show_boxes()

    def show(self) -> None:
        """Bring the layers in line with the session; what is right already is left alone."""
        if self.image is None:
            return
        with self._writes():
            self._show_clicks(PROMPTS)
            self._show_clicks(CORRECTIONS)
            self._show_boxes()
            self._show_answer()

    def _show_clicks(self, role: str) -> None:
        planes = [(key.index, clicks) for key, clicks in self._planes(role)]
        layer = self.helpers.find(role)
        if layer is None and planes and self.image is not None:
            layer = self.helpers.get(role, self.image)
        if layer is not None:
            plane = self.session.plane
            known = self._rows(role)
            elsewhere = rows_elsewhere(layer, plane.key.index, known) if plane is not None else []
            write_clicks(layer, role, planes, elsewhere=elsewhere)

    def _show_boxes(self) -> None:
        plane = self.session.plane
        boxes = []
        if plane is not None and self.session.running is not None:
            box = self._drawn_box or self.session.running.prompt.box
            boxes = [(plane.key.index, box)] if box is not None else []
        layer = self.helpers.find(BOX)
        if layer is None and boxes and self.image is not None:
            layer = self.helpers.get(BOX, self.image)
            self._on_zoom()
        if layer is not None:
            sides = box_vectors(boxes, layer.ndim)
            if not np.array_equal(np.asarray(layer.data), sides):
                layer.data = sides

    def _show_answer(self) -> None:
        running, plane = self.session.running, self.session.plane
        answer = running.answer if running is not None else None
        shown = (answer, plane.key if plane else None, self.show_unsure)
        if shown == self._shown or self.image is None:
            return
        self._shown = shown
        if plane is None:
            return
        wanted = {PREVIEW: answer, UNSURE: answer if self.show_unsure else None}
        for role, what in wanted.items():
            layer = self.helpers.find(role)
            if layer is None and what is not None:
                layer = self.helpers.get(role, self.image)
            if layer is not None:
                show_answer(layer, self.image, plane.key.index, what)
        self._on_zoom()

    def _on_zoom(self, event: Any = None) -> None:
        """Lines keep their width on the screen."""
        if self.image is None or self.session.plane is None:
            return
        index = self.session.plane.key.index
        spacing = [abs(s) for s, p in zip(self.image.scale, index, strict=True) if p is None]
        zoom = float(self.camera.zoom) * float(np.mean(spacing))
        for role in (PROMPTS, CORRECTIONS):
            points = self.helpers.find(role)
            if points is not None and zoom > 0:
                fit_points(points, zoom)
        running = self.session.running
        preview, box = self.helpers.find(PREVIEW), self.helpers.find(BOX)
        if preview is not None and running is not None and running.answer is not None:
            preview.contrast_limits = relief_limits(zoom, running.answer.pixel_size)
        if box is not None and len(box.data):
            box.edge_width = BOX_LINE / max(zoom, 1e-6)
