"""One viewer and its session: layers that come and go, sliders that move.

Every layer is held by identity and may vanish at any moment.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_pisam.images.source import ImageError
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.event_connections import connect
from napari_pisam.widgets.viewer.helper_layers import HelperLayers
from napari_pisam.widgets.viewer.identity import LayerNames, is_in
from napari_pisam.widgets.viewer.image_choice import ImageChoice
from napari_pisam.widgets.viewer.label_layers import LabelLayers
from napari_pisam.widgets.viewer.layer_sync import LayerSync
from napari_pisam.widgets.viewer.napari_compat import camera_of, unwrapped
from napari_pisam.widgets.viewer.plane_shown import PlaneShown
from napari_pisam.widgets.viewer.points_input import PointsInput
from napari_pisam.widgets.viewer.preview_layers import PREVIEW
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS
from napari_pisam.widgets.viewer.scheduling import Scheduler

if TYPE_CHECKING:
    from napari.layers import Image

MAKE_LAYERS = "make layers"


class ViewerSession:
    """Ties one viewer to a session.

    image_choice: the image that is segmented. plane_shown: its plane that the viewer shows.
    label_layers: where objects are kept. helpers: the plugin's own layers. layer_sync: shows in
    them what the session has. Signal: layers_changed(), layers were added, removed or renamed.
    """

    layers_changed = Signal()

    def __init__(self, viewer: Any, scheduler: Scheduler) -> None:
        self.viewer = unwrapped(viewer)
        self._scheduler = scheduler
        self.names = LayerNames()
        self.image_choice = ImageChoice(self.viewer, self.names)
        self.label_layers = LabelLayers(self.viewer, self.names, self.image_choice)
        self.session = Session(self.label_layers)
        self.plane_shown = PlaneShown(self.viewer, self.image_choice, self.session)
        self.helpers = HelperLayers(self.viewer)
        self.layer_sync = LayerSync(
            self.session, self.image_choice, self.helpers, viewer=self.viewer, scheduler=scheduler
        )
        self._points_input = PointsInput(
            self.session,
            self.helpers,
            wanted=lambda: self.layer_sync.wanted,
            read=self.layer_sync.sync,
        )
        layers, dims = self.viewer.layers, self.viewer.dims
        self._disconnect = connect(
            (layers.events.inserted, self._on_inserted),
            (layers.events.removed, self._on_removed),
            (layers.events.reordered, self._on_layers),
            (dims.events.point, self._on_dims),
            (dims.events.order, self._on_dims),
            (dims.events.ndisplay, self._on_dims),
            (dims.events.ndim, self._on_dims),
            (self.camera.events.zoom, self.layer_sync.fit_zoom),
        )
        for layer in layers:
            layer.events.name.connect(self._on_layers)
        self.session.changed.connect(self.layer_sync.sync)
        self.image_choice.changed.connect(self._on_image)
        self.image_choice.pixels_changed.connect(self.show_plane)
        self.image_choice.moved.connect(self._on_moved)
        self.image_choice.choose(self.image_choice.newest())

    @property
    def image(self) -> Image | None:
        """The image layer that is segmented."""
        return self.image_choice.layer

    @property
    def camera(self) -> Any:
        """The viewer's camera."""
        return camera_of(self.viewer)

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer; our layers go too while it lives, kept labels stay."""
        self._disconnect()
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._on_layers)
        self.layer_sync.closed = True
        self.image_choice.changed.disconnect(self._on_image)
        self.image_choice.release()
        self.session.changed.disconnect(self.layer_sync.sync)
        self.label_layers.close()
        if viewer_lives:
            self.helpers.drop_all()

    def show_plane(self) -> None:
        """Have the session work on the plane that the viewer shows."""
        try:
            plane = self.plane_shown.plane
        except ImageError as error:
            self.session.message.emit("error", str(error))
            plane = None
        # A script may have put points on this plane before anybody looked at it.
        found = self._points_input.clicks_on(plane)
        self.session.look_at(plane)
        self._points_input.take(found)

    def _on_image(self) -> None:
        image = self.image
        if image is None:
            self.helpers.drop_all()
        else:
            self.helpers.drop_other_ndim(image)
            self.label_layers.fit(image)
        self.layer_sync.start_again()
        # Points of the image before say nothing about this one: they go before any is read.
        self.layer_sync.sync_points()
        self.show_plane()
        self._scheduler.request(MAKE_LAYERS, self._make_layers)

    def _make_layers(self) -> Generator[None, None, None]:
        """Make the layers that the first click needs, one a turn, so that it need not wait."""
        for role in (PROMPTS, PREVIEW, CORRECTIONS):
            yield
            image = self.image
            if self.layer_sync.closed or image is None or self.session.plane is None:
                return
            self.helpers.get(role, image)
            if role == PROMPTS:
                self.viewer.layers.selection.active = self.helpers.find(role)
        yield
        if self.image is not None and not self.layer_sync.closed:
            self.label_layers.prepare(self.image)
            self.layer_sync.fit_zoom()
            self.layer_sync.sync()

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._on_layers)
        if self.image is None:
            self.image_choice.choose(self.image_choice.newest())
        self.label_layers.notice_removed()
        self._on_layers()

    def _on_removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._on_layers)
        name = self.image_choice.name
        if name is not None and not is_in(self.image, self.viewer.layers):
            self.image_choice.release()
            self.session.forget_image(name)
            self.image_choice.choose(self.image_choice.newest())
        else:
            self.image_choice.forget_removed_channels()
        self.label_layers.notice_removed()
        self._on_layers()

    def _on_layers(self, event: Any = None) -> None:
        self.layers_changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        plane = self.session.plane
        if self.plane_shown.index != (plane.key.index if plane else None):
            self.show_plane()

    def _on_moved(self) -> None:
        if self.image is not None:
            self.helpers.follow(self.image)
            self.label_layers.follow(self.image)
            self.layer_sync.start_again()
            self.show_plane()
