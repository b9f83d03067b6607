"""What comes back from the worker thread: a mask and everything that is drawn and said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Click, Prompt
from napari_pisam.session.lattice import Lattice
from napari_pisam.session.relief import doubt_of, doubtful_places, relief_of

if TYPE_CHECKING:
    from napari_pisam.predict.predictor import MaskResult


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The model's mask for one Ask.

    prompt: what was asked, every correction with its sign. window: what the model looked at.
    mask: without empty margins, image pixels. relief, doubt: uint8, see `relief`, at the pixels
    of the lattice; None when the window lies outside the image. places: the most doubtful ones.
    score: the model's own estimate of its IoU. pixel_size: image pixels per pixel of the mask.
    seconds: how long the answer took.
    """

    ask_id: int
    prompt: Prompt
    window: Window
    mask: PlacedMask
    relief: NDArray[np.uint8]
    doubt: NDArray[np.uint8]
    lattice: Lattice | None
    places: tuple[Click, ...]
    score: float
    pixel_size: float
    model: str
    device: str
    seconds: float
    intensity: IntensityWindow | None = None
    object_size: float | None = None

    @classmethod
    def of(cls, result: MaskResult, *, ask_id: int, object_size: float | None) -> Answer:
        """An answer from the predictor's result; the only thing it shares is the prompt."""
        image = (result.image_height, result.image_width)
        seen = _inside_image(result.window, image, result.logits.shape)
        logits = np.where(seen, result.logits, np.float32(-np.inf)).astype(np.float32)
        relief, doubt = relief_of(logits > 0), doubt_of(logits)
        # Here, in the worker's thread: the window's has no time to spare.
        lattice = Lattice.over(result.window, len(logits), image)
        return cls(
            ask_id=ask_id,
            prompt=result.prompt,
            window=result.window,
            mask=result.placed.cropped(),
            relief=lattice.sampled(relief, result.window) if lattice else relief,
            doubt=lattice.sampled(doubt, result.window) if lattice else doubt,
            lattice=lattice,
            places=doubtful_places(doubt, result.window),
            score=result.score,
            pixel_size=result.pixel_size,
            model=result.model,
            device=str(result.device),
            seconds=result.seconds,
            intensity=result.intensity,
            object_size=object_size,
        )

    def covers(self, click: Click) -> bool:
        """Whether the mask holds the click's pixel."""
        row = math.floor(click.y + 0.5) - self.mask.y
        col = math.floor(click.x + 0.5) - self.mask.x
        height, width = self.mask.mask.shape
        return 0 <= row < height and 0 <= col < width and bool(self.mask.mask[row, col])

    @property
    def nbytes(self) -> int:
        """What it weighs in memory."""
        return self.relief.nbytes + self.doubt.nbytes + self.mask.mask.nbytes


def _inside_image(
    window: Window, image: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which pixels of the model's output have their centre in the image: bool (n, n)."""
    rows = window.y + (np.arange(shape[0]) + 0.5) * window.height / shape[0]
    cols = window.x + (np.arange(shape[1]) + 0.5) * window.width / shape[1]
    in_rows, in_cols = (rows >= 0) & (rows < image[0]), (cols >= 0) & (cols < image[1])
    inside: NDArray[np.bool_] = in_rows[:, None] & in_cols[None, :]
    return inside
