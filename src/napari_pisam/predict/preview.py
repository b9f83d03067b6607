"""What a viewer draws of a result, in arrays no larger than the model's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, WindowGrid
from napari_pisam.predict.lattice import Lattice
from napari_pisam.predict.relief import doubt_of, doubtful_places, relief_of
from napari_pisam.prompts import Click


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A mask and the model's doubt as small arrays, and where in the image they lie.

    relief, doubt: uint8, see `relief`, at the pixels of the lattice; None for the lattice when the
    window lies outside the image. doubtful_places: image pixels, the most doubtful first.
    """

    relief: NDArray[np.uint8]
    doubt: NDArray[np.uint8]
    lattice: Lattice | None
    doubtful_places: tuple[Click, ...]

    @classmethod
    def of(cls, logits: NDArray[np.float32], window: Window, image: tuple[int, int]) -> Preview:
        """The preview of logits (S, S) of a window in an image of (rows, columns)."""
        inside = WindowGrid(window, len(logits)).in_image(*image)
        logits = np.where(inside, logits, np.float32(-np.inf)).astype(np.float32)
        relief, doubt = relief_of(logits > 0), doubt_of(logits)
        lattice = Lattice.over(window, len(logits), image)
        return cls(
            relief=lattice.sampled(relief, window) if lattice else relief,
            doubt=lattice.sampled(doubt, window) if lattice else doubt,
            lattice=lattice,
            doubtful_places=doubtful_places(doubt, window),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return self.relief.nbytes + self.doubt.nbytes
