"""One viewer and its session: layers become commands, what the session holds becomes layers.

Every layer is held by identity and may vanish at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_pisam.images.source import ImageError
from napari_pisam.prompts import Click
from napari_pisam.session.label_store import LabelStore
from napari_pisam.session.plane import ImagePlane, PlaneIndex
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.display import Display
from napari_pisam.widgets.viewer.identity import LayerNames, is_in, role_of
from napari_pisam.widgets.viewer.image_plane import ChannelChoice, image_plane, plane_index
from napari_pisam.widgets.viewer.label_layers import LabelLayers
from napari_pisam.widgets.viewer.layer_store import connect
from napari_pisam.widgets.viewer.layer_transform import pixel_at
from napari_pisam.widgets.viewer.napari_compat import unwrapped
from napari_pisam.widgets.viewer.pacing import at_once
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS

if TYPE_CHECKING:
    from napari.layers import Image

FRAME_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")


class LayerBridge:
    """Ties one viewer to a session.

    when_free: does work step by step when nobody waits; by default at once.
    Signals: image_changed(), another image (or none) is chosen; layers_changed(), layers came,
    went or were renamed.
    """

    image_changed = Signal()
    layers_changed = Signal()

    def __init__(
        self, viewer: Any, *, when_free: Callable[[Iterator[None]], None] = at_once
    ) -> None:
        self.viewer = unwrapped(viewer)
        self._when_free = when_free
        self.names = LayerNames()
        self.targets = LabelLayers(self.viewer, self.names)
        self.session = Session(self)
        self.display = Display(
            self.viewer, self.session, self.names, self.targets, when_free=when_free
        )
        self.helpers = self.display.helpers
        self.look = ChannelChoice()
        self._versions: dict[str, int] = {}
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
            (self.display.camera.events.zoom, self.display.fit_zoom),
        )
        for layer in layers:
            layer.events.name.connect(self._on_layers)
        self.session.changed.connect(self.display.show)
        self.choose_image(self.newest_image())

    @property
    def image(self) -> Image | None:
        """The image layer that is segmented."""
        return self.display.image

    @property
    def camera(self) -> Any:
        """The viewer's camera."""
        return self.display.camera

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer; our layers go too while it lives, kept labels stay."""
        self._disconnect()
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._on_layers)
        self._let_go_image()
        self.session.changed.disconnect(self.display.show)
        self.targets.close()
        self.display.closed = True
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
        self.display.image = image
        self.look = ChannelChoice()
        if image is not None:
            frame_events = [(getattr(image.events, e), self._on_frame) for e in FRAME_EVENTS]
            self._let_go_image = connect((image.events.data, self._on_pixels), *frame_events)
            self.display.clear_clicks()
            self.helpers.drop_other_ndim(image)
            self.targets.fit(image)
        else:
            self._let_go_image = lambda: None
            self.helpers.drop_all()
        self.refresh_plane()
        self._when_free(self.display.prepare())
        self.image_changed.emit()

    def choose_look(self, look: ChannelChoice) -> None:
        """Show the image to the model in another way."""
        self.look = look
        self._count_version()
        self.refresh_plane()

    def refresh_plane(self) -> None:
        """ChannelChoice at the plane that the viewer shows."""
        try:
            plane = self._plane_shown()
        except ImageError as error:
            self.session.message.emit("error", str(error))
            plane = None
        self.display.forget_shown()
        # A script may have put points on this plane before anybody looked at it.
        found = {role: self.display.clicks_in(role, plane) for role in (PROMPTS, CORRECTIONS)}
        self.session.look_at(plane)
        self.display.take_clicks(found)

    def _plane_shown(self) -> ImagePlane | None:
        if self.image is None:
            return None
        index = plane_index(self.image, self.viewer.dims)
        if index is None:
            return None
        name = self.names.of(self.image)
        version = str(self._versions.get(name, 0))
        return image_plane(self.image, index, self.look, name=name, version=version)

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
        """The image pixel at a place of the viewer; None when no plane of the image is shown.

        On the outer half of an outermost pixel it is that pixel's centre: a point beyond would
        make the viewer's world larger than the image.
        """
        plane = self.session.plane
        if self.image is None or plane is None:
            return None
        click = Click(*pixel_at(self.image, world, plane.key.index), None)
        if not plane.holds(click):
            return click
        y = min(max(click.y, 0.0), plane.source.height - 1.0)
        x = min(max(click.x, 0.0), plane.source.width - 1.0)
        return Click(y, x, None)

    # LabelStores, for the session.

    def current(self, plane: ImagePlane) -> LabelStore:
        """See LabelStores."""
        return self.targets.store_for(self.image)

    # What happens to layers.

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._on_layers)
        if self.image is None:
            self.choose_image(self.newest_image())
        self.targets.notice_removed()
        self._on_layers()

    def _on_removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._on_layers)
        if self.image is not None and not is_in(self.image, self.viewer.layers):
            gone, self.display.image = self.image, None
            self.session.forget_image(self.names.of(gone))
            self.choose_image(self.newest_image())
        elif not all(is_in(band, self.viewer.layers) for band in self.look.bands):
            self.choose_look(ChannelChoice(as_displayed=self.look.as_displayed))
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
