"""Which image is segmented, which version of its pixels, and which channels the model sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_pisam.session.plane import ImagePlane, PlaneIndex
from napari_pisam.widgets.viewer.event_connections import connect
from napari_pisam.widgets.viewer.identity import LayerNames, is_in, role_of
from napari_pisam.widgets.viewer.image_plane import ChannelChoice, image_plane
from napari_pisam.widgets.viewer.napari_compat import unwrapped

if TYPE_CHECKING:
    from napari.layers import Image

TRANSFORM_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")


class ImageChoice:
    """The chosen image layer of one viewer.

    layer: None while no image is chosen. channels: how the model is shown its pixels.
    Signals: changed(), another layer or none is chosen; pixels_changed(), the layer has other
    pixels or the model is shown other channels of it; moved(), the layer lies elsewhere.
    """

    changed = Signal()
    pixels_changed = Signal()
    moved = Signal()

    def __init__(self, viewer: Any, names: LayerNames) -> None:
        self._viewer, self._names = viewer, names
        self.layer: Image | None = None
        self.channels = ChannelChoice()
        self._versions: dict[str, int] = {}
        self._disconnect: Callable[[], None] = lambda: None

    @property
    def name(self) -> str | None:
        """The lasting name of the chosen layer."""
        return self._names.of(self.layer) if self.layer is not None else None

    def images(self) -> list[Image]:
        """The image layers that can be segmented, the topmost first."""
        from napari.layers import Image as ImageLayer

        return [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, ImageLayer) and role_of(layer) is None and layer.ndim >= 2
        ]

    def newest(self) -> Image | None:
        """The selected image, else the topmost one."""
        active = self._viewer.layers.selection.active
        images = self.images()
        return next((i for i in images if i is active), images[0] if images else None)

    def choose(self, layer: Image | None) -> None:
        """Segment that image from now on."""
        layer = unwrapped(layer)
        if layer is self.layer and layer is not None:
            return
        self.release()
        self.layer = layer
        if layer is not None:
            transform = [(getattr(layer.events, e), self._on_transform) for e in TRANSFORM_EVENTS]
            self._disconnect = connect((layer.events.data, self._on_data), *transform)
        self.changed.emit()

    def choose_named(self, name: str) -> bool:
        """Choose the image of that lasting name; returns whether it is still there."""
        image = next((i for i in self.images() if self._names.of(i) == name), None)
        if image is not None and image is not self.layer:
            self.choose(image)
        return image is not None

    def choose_channels(self, channels: ChannelChoice) -> None:
        """Show the image to the model in another way."""
        self.channels = channels
        self._on_data()

    def release(self) -> None:
        """Listen to the layer no longer, and choose none, without a signal."""
        self._disconnect()
        self._disconnect = lambda: None
        self.layer, self.channels = None, ChannelChoice()

    def forget_removed_channels(self) -> None:
        """Channels of which one is in the viewer no more become the image's own."""
        if not all(is_in(band, self._viewer.layers) for band in self.channels.bands):
            self.choose_channels(ChannelChoice(as_displayed=self.channels.as_displayed))

    def plane(self, index: PlaneIndex) -> ImagePlane | None:
        """A plane of the image as a session takes it; raises ImageError in one sentence."""
        if self.layer is None:
            return None
        name = self._names.of(self.layer)
        version = str(self._versions.get(name, 0))
        return image_plane(self.layer, index, self.channels, name=name, version=version)

    def _on_data(self, event: Any = None) -> None:
        if self.name is not None:
            self._versions[self.name] = self._versions.get(self.name, 0) + 1
        self.pixels_changed.emit()

    def _on_transform(self, event: Any = None) -> None:
        self.moved.emit()
