"""What a prediction stands on and what comes out: Embedding and SegmentResult."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, WindowGrid
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.mask_bands import ImageMask
from napari_pisam.predict.preview import Preview
from napari_pisam.prompts import Click, Prompt

if TYPE_CHECKING:
    from torch import Tensor


NOTHING_TO_SEE = (
    "There is nothing to see here: all pixels round the prompt have one value, or none."
)


@dataclass(frozen=True, eq=False)
class Embedding:
    """What the encoder made of one window; reused for every prompt in it.

    window: the rectangle looked at. pixels: uint8 (S, S, 3), what the model saw. embedding:
    (1, dim, g, g). window_feature: (1, C, L, L), what the high-resolution path takes from the
    window, None for SAM's own decoder. model: the model's name. blank: whether all that it saw has
    one value, so that there is no object to find.
    """

    window: Window
    pixels: NDArray[np.uint8]
    embedding: Tensor
    window_feature: Tensor | None
    intensity: IntensityWindow
    image_height: int
    image_width: int
    model: str
    blank: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes it holds, pixels and tensors."""
        tensors = (self.embedding, self.window_feature)
        held = sum(t.numel() * t.element_size() for t in tensors if t is not None)
        return held + self.pixels.nbytes


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """The mask of one object: logits, the window they belong to, and how they were found.

    prompt: what was requested, every correction with its sign. logits: float32 (S, S), the window
    at the model's resolution, threshold 0. low_res_logits: float32 (L, L), before the
    high-resolution head. score: the model's own estimate of the IoU, 0 to 1. seconds: from request
    to result. object_size: the size in image pixels that the request gave, if any. blank: whether
    there was nothing to see in the window; the mask is then empty.
    """

    request_id: int
    window: Window
    logits: NDArray[np.float32]
    low_res_logits: NDArray[np.float32]
    score: float
    image_height: int
    image_width: int
    prompt: Prompt
    intensity: IntensityWindow
    model: str
    device: str
    seconds: float = 0.0
    object_size: float | None = None
    blank: bool = False

    @property
    def pixel_size(self) -> float:
        """Image pixels per mask pixel: above 1 the mask is coarser than the image."""
        return WindowGrid(self.window, len(self.logits)).pixel_size[0]

    @cached_property
    def _image_mask(self) -> ImageMask:
        return ImageMask(self.logits, self.window, (self.image_height, self.image_width))

    @cached_property
    def packed(self) -> PackedMask:
        """The mask in image pixels without empty margins, one bit a pixel and compressed."""
        return self._image_mask.packed()

    @property
    def placed(self) -> PlacedMask:
        """The mask in image pixels, without empty margins. Unpacked anew at each call."""
        return self.packed.placed()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask laid into the whole image: bool (H, W). Made anew at each call."""
        return self.placed.in_image(self.image_height, self.image_width)

    @cached_property
    def preview(self) -> Preview:
        """What a viewer draws of it; made at the first use."""
        return Preview.of(self.logits, self.window, (self.image_height, self.image_width))

    def prepared(self) -> SegmentResult:
        """The same result, with everything made that a viewer will ask of it."""
        _ = self.packed, self.preview
        return self

    def covers(self, click: Click) -> bool:
        """Whether the mask covers the click's pixel; False outside the window."""
        return self._image_mask.covers(click)

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, with its mask and its preview."""
        logits = self.logits.nbytes + self.low_res_logits.nbytes
        return logits + len(self.packed.bits) + self.preview.nbytes
