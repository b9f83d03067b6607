"""Which plane of which image is segmented."""

from __future__ import annotations

from dataclasses import dataclass

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageSource
from napari_pisam.prompts import Click

PlaneIndex = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class PlaneKey:
    """One plane of one image.

    image: a name that stays with the image as long as it is open. index: for each axis of the
    image the position that is shown, None for the two axes that span the plane.
    """

    image: str
    index: PlaneIndex


@dataclass(frozen=True, slots=True, eq=False)
class ImagePlane:
    """The pixels of one plane and how they are seen.

    version: changes whenever the pixels or the choice of channels do; embeddings are kept by it.
    channels: which channels of the source become red, green, blue (None: the first three).
    intensity: None lets the worker take percentiles of the plane, once.
    """

    key: PlaneKey
    source: ImageSource
    version: str
    channels: tuple[int, ...] | None = None
    intensity: IntensityWindow | None = None

    def holds(self, click: Click) -> bool:
        """Whether the click's pixel lies in the image."""
        return Window(0, 0, self.source.height, self.source.width).contains(click)

    @property
    def cache_key(self) -> str:
        """The identity of its pixels."""
        return f"{self.key.image}/{self.version}/{self.key.index}"
