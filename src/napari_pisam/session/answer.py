"""What comes back from the worker thread: a mask and everything that is drawn and said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, WindowGrid
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
        seen = WindowGrid(result.window, len(result.logits)).in_image(*image)
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
        return self.mask.covers(click)

    @property
    def nbytes(self) -> int:
        """What it weighs in memory."""
        return self.relief.nbytes + self.doubt.nbytes + self.mask.mask.nbytes
