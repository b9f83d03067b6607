"""Masks without the small holes and specks that a model leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_pisam.masks.placed import PlacedMask


@dataclass(frozen=True, slots=True)
class Cleaning:
    """How small a hole or speck must be to go: areas in image pixels, 0 for none of them.

    holes: gaps inside the mask up to this area are filled. specks: pieces up to this area are
    removed, the largest piece excepted.
    """

    holes: int = 0
    specks: int = 0


def cleaned(placed: PlacedMask, cleaning: Cleaning) -> PlacedMask:
    """The mask without small holes and specks; the mask itself when there is nothing to do."""
    mask = placed.mask
    if cleaning.specks and mask.any():
        pieces, _ = ndimage.label(mask, ndimage.generate_binary_structure(2, 2))
        areas = np.bincount(pieces.ravel())
        areas[0] = 0
        keep = areas > cleaning.specks
        keep[areas.argmax()] = True
        keep[0] = False
        mask = keep[pieces]
    if cleaning.holes and mask.any():
        gaps, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
        areas = np.bincount(gaps.ravel())
        fill = areas <= cleaning.holes
        # The gap that holds the added frame is the outside; gap 0 is the mask itself.
        fill[[0, gaps[0, 0]]] = False
        mask = mask | fill[gaps][1:-1, 1:-1]
    return PlacedMask(placed.y, placed.x, mask)
