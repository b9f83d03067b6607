"""Which plane of the chosen image the viewer shows, and where on it a place of the viewer lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.prompts import Click
from napari_pisam.session.plane import ImagePlane, PlaneIndex
from napari_pisam.widgets.viewer.image_choice import ImageChoice
from napari_pisam.widgets.viewer.image_plane import plane_index
from napari_pisam.widgets.viewer.layer_transform import pixel_at
from napari_pisam.widgets.viewer.napari_compat import camera_of

if TYPE_CHECKING:
    from napari_pisam.session.session import Session


class PlaneShown:
    """Sliders and camera of one viewer, in planes and pixels of the chosen image."""

    def __init__(self, viewer: Any, image_choice: ImageChoice, session: Session) -> None:
        self._viewer, self._choice, self._session = viewer, image_choice, session

    @property
    def index(self) -> PlaneIndex | None:
        """The plane of the image that the viewer shows; None when it shows none of it."""
        image = self._choice.layer
        return plane_index(image, self._viewer.dims) if image is not None else None

    @property
    def plane(self) -> ImagePlane | None:
        """That plane with its pixels; raises ImageError in one sentence."""
        index = self.index
        return self._choice.plane(index) if index is not None else None

    def pixel(self, world: Any) -> Click | None:
        """The image pixel at a place of the viewer; None when no plane of the image is shown.

        On the outer half of an outermost pixel it is that pixel's centre: a point beyond would
        make the viewer's world larger than the image.
        """
        image, plane = self._choice.layer, self._session.plane
        if image is None or plane is None:
            return None
        click = Click(*pixel_at(image, world, plane.key.index), None)
        if not plane.holds(click):
            return click
        y = min(max(click.y, 0.0), plane.source.height - 1.0)
        x = min(max(click.x, 0.0), plane.source.width - 1.0)
        return Click(y, x, None)

    def go_to(self, index: PlaneIndex, click: Click | None = None) -> None:
        """Show that plane of the image, and a place on it in the middle of the canvas."""
        image, dims = self._choice.layer, self._viewer.dims
        if image is None:
            return
        data = np.zeros(image.ndim)
        axes = [axis for axis, position in enumerate(index) if position is None]
        for axis, position in enumerate(index):
            data[axis] = 0 if position is None else position
        if click is not None:
            data[axes] = (click.y, click.x)
        world = np.asarray(image.data_to_world(data))[-image.ndim :]
        missing = dims.ndim - image.ndim
        for axis, position in enumerate(index):
            if position is not None:
                dims.set_point(axis + missing, float(world[axis]))
        if click is not None:
            camera_of(self._viewer).center = tuple(world[axes])
