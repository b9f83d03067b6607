"""The layers that belong to the plugin in one viewer: found by identity, made again when gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_pisam.widgets.viewer.identity import is_in
from napari_pisam.widgets.viewer.layer_selection import keeping_selection
from napari_pisam.widgets.viewer.layer_transform import apply_frame, same_frame
from napari_pisam.widgets.viewer.preview_layers import (
    BOX,
    PREVIEW,
    UNSURE,
    new_box_layer,
    new_preview_layer,
)
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS, new_points_layer

if TYPE_CHECKING:
    from napari.layers import Image, Layer

MAKERS: dict[str, Callable[[Image], Layer]] = {
    PREVIEW: lambda image: new_preview_layer(PREVIEW, image),
    UNSURE: lambda image: new_preview_layer(UNSURE, image),
    BOX: new_box_layer,
    PROMPTS: lambda image: new_points_layer(PROMPTS, image),
    CORRECTIONS: lambda image: new_points_layer(CORRECTIONS, image),
}

ORDER = tuple(MAKERS)
"""From the lowest to the topmost."""


class HelperLayers:
    """Prompts, corrections, preview, unsure and box of one viewer.

    viewer: a Viewer or ViewerModel. A layer that the person deletes is made again when there is
    something to show in it. Signal: made(role, layer), a new layer, before it is in the viewer.
    """

    made = Signal(str, object)

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[str, Layer] = {}

    def __contains__(self, layer: object) -> bool:
        return any(found is layer for found in self._layers.values())

    def find(self, role: str) -> Any:
        """The layer of that role while it is in the viewer, else None."""
        layer = self._layers.get(role)
        return layer if is_in(layer, self._viewer.layers) else None

    def get(self, role: str, image: Image) -> Any:
        """The layer of that role, made when there is none; what is selected stays selected."""
        layer = self.find(role)
        if layer is None:
            layer = self._layers[role] = MAKERS[role](image)
            self.made.emit(role, layer)
            with keeping_selection(self._viewer):
                self._viewer.layers.insert(self._place_of(role), layer)
        return layer

    def _place_of(self, role: str) -> int:
        """On top of everything, the mask below its doubt, and both and boxes below the points."""
        above = ORDER[ORDER.index(role) + 1 :]
        layers = list(self._viewer.layers)
        places = [i for i, found in enumerate(layers) if self._role_held(found) in above]
        return min(places, default=len(layers))

    def _role_held(self, layer: Layer) -> str | None:
        return next((role for role, found in self._layers.items() if found is layer), None)

    def follow(self, image: Image) -> None:
        """Give every layer the image's transform."""
        for role in (PROMPTS, CORRECTIONS, BOX):
            layer = self.find(role)
            if layer is not None and layer.ndim == image.ndim:
                apply_frame(layer, same_frame(image))

    def drop_other_ndim(self, image: Image) -> None:
        """Remove layers whose number of axes does not fit the image."""
        for role in list(self._layers):
            if self._layers[role].ndim != image.ndim:
                self.drop(role)

    def drop(self, role: str) -> None:
        """Remove the layer of that role."""
        layer = self.find(role)
        self._layers.pop(role, None)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def drop_all(self) -> None:
        """Remove all of them."""
        for role in list(self._layers):
            self.drop(role)
