"""Small holes and specks go, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from napari_pisam.masks.cleaning import Cleaning, cleaned
from napari_pisam.masks.placed import PlacedMask


def test_cleaning_fills_small_holes_and_removes_small_specks_only() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[2:14, 2:14] = True
    mask[5, 5] = False
    mask[8:11, 8:11] = False
    mask[16, 20] = True
    mask[17:20, 24:27] = True
    result = cleaned(PlacedMask(0, 0, mask), Cleaning(holes=4, specks=4)).mask
    assert result[5, 5]
    assert not result[9, 9]
    assert not result[16, 20]
    assert result[18, 25]
    assert cleaned(PlacedMask(0, 0, mask), Cleaning()).mask is mask


def test_cleaning_keeps_the_largest_piece_and_open_bays() -> None:
    mask = np.zeros((5, 5), np.bool_)
    mask[0, 0] = mask[0, 1] = mask[3, 3] = True
    result = cleaned(PlacedMask(0, 0, mask), Cleaning(holes=100, specks=100)).mask
    assert result.sum() == 2
    assert result[0, 0]
    # The frame of the mask's array is open: nothing outside it is a hole.
    ring = np.ones((5, 5), np.bool_)
    ring[0, 2] = False
    assert not cleaned(PlacedMask(0, 0, ring), Cleaning(holes=3)).mask[0, 2]


@pytest.mark.parametrize("area", [1, 2, 5])
def test_what_is_tidied_is_as_large_as_was_said_and_no_larger(area: int) -> None:
    mask = np.zeros((12, 30), np.bool_)
    mask[1:7, 1:20] = True
    mask[3, 3 : 3 + area] = False
    mask[9, 1 : 1 + area] = True
    placed = PlacedMask(0, 0, mask)
    filled = cleaned(placed, Cleaning(holes=area)).mask
    assert filled[3, 3 : 3 + area].all()
    removed = cleaned(placed, Cleaning(specks=area)).mask
    assert not removed[9].any()
    assert np.array_equal(cleaned(placed, Cleaning(holes=area - 1, specks=area - 1)).mask, mask)
