from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.session.label_edit import (
    Cleaning,
    Overlap,
    bounding_window,
    cleaned,
    edit_between,
    labels_after,
)

masks = arrays.arrays(np.bool_, (9, 13))
labels = arrays.arrays(np.uint16, (9, 13), elements=st.integers(0, 4))


@settings(deadline=None)
@given(masks, st.integers(-5, 5), st.integers(-5, 5))
def test_packing_a_mask_and_its_json_lose_nothing(mask: np.ndarray, y: int, x: int) -> None:
    placed = PlacedMask(y, x, mask)
    packed = PackedMask.of(placed)
    assert packed.area == mask.sum()
    again = PackedMask.from_json(packed.as_json()).placed()
    assert np.array_equal(
        PlacedMask(again.y + 5, again.x + 5, again.mask).in_image(30, 30),
        PlacedMask(y + 5, x + 5, mask).in_image(30, 30),
    )


@pytest.mark.parametrize("bits", ["AAAA", "", "eJwDAAAAAAE="])
def test_a_damaged_mask_is_told(bits: str) -> None:
    with pytest.raises(ValueError, match=r"mask|bytes|damaged"):
        PackedMask.from_json({"box": [0, 0, 9, 13, 5], "bits": bits})


@settings(deadline=None)
@given(labels, labels)
def test_an_edit_applies_and_is_taken_back(old: np.ndarray, new: np.ndarray) -> None:
    edit = edit_between((3, None, None), Window(10, 20, 9, 13), old, new)
    if (old == new).all():
        assert edit.window is None
        return
    window = edit.window
    assert window is not None
    part = np.s_[
        window.y - 10 : window.y - 10 + window.height, window.x - 20 : window.x - 20 + window.width
    ]
    assert np.array_equal(edit.applied_to(old[part]), new[part])
    assert np.array_equal(edit.inverse.applied_to(new[part]), old[part])


def test_an_undone_edit_leaves_what_somebody_painted_since() -> None:
    old, new = np.zeros((2, 3), int), np.full((2, 3), 7)
    edit = edit_between((None, None), Window(0, 0, 2, 3), old, new)
    painted = new.copy()
    painted[0, 1] = 9
    assert edit.inverse.applied_to(painted).tolist() == [[0, 9, 0], [0, 0, 0]]


@settings(deadline=None)
@given(labels, masks, st.integers(1, 6), st.sampled_from(Overlap))
def test_policies(region: np.ndarray, mask: np.ndarray, label: int, policy: Overlap) -> None:
    after = labels_after(region, mask, label, policy=policy)
    others = (region != 0) & (region != label)
    if policy is Overlap.CUT_OUT:
        assert not after[mask].any()
        assert np.array_equal(after[~mask], region[~mask])
        return
    own = mask if policy is Overlap.OVERWRITE else mask & ~others
    assert np.array_equal(after == label, own)
    assert np.array_equal(after[others & ~own], region[others & ~own])


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


def test_bounding_window_of_nothing_is_none() -> None:
    empty = PlacedMask(3, 4, np.zeros((2, 2), np.bool_))
    assert bounding_window(empty) is None
    full = PlacedMask(3, 4, np.ones((2, 2), np.bool_))
    assert bounding_window(empty, full) == Window(3, 4, 2, 2)
