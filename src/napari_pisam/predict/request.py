"""What a segmentation starts from: the pixels of one plane and what a person said of one object."""

from __future__ import annotations

from dataclasses import dataclass

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageSource
from napari_pisam.prompts import Prompt


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRequest:
    """One object to segment in one plane of an image.

    id: handed through to the result. source_key: identity and version of the plane's pixels;
    embeddings and percentiles are kept by it. intensity: None takes percentiles of the source.
    channels: which channels of the source become red, green, blue (None: the first three).
    object_size: the object's longer side in image pixels, if known. window: None chooses it from
    the prompt; set for a correction, which changes the mask of that window.
    """

    id: int
    source: ImageSource
    source_key: str
    prompt: Prompt
    intensity: IntensityWindow | None = None
    channels: tuple[int, ...] | None = None
    object_size: float | None = None
    window: Window | None = None
