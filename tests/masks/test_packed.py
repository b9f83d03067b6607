"""A mask held for long: small, and the same again."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_pisam.masks.packed import NOTHING, PackedMask
from napari_pisam.masks.placed import PlacedMask

masks = arrays.arrays(np.bool_, (9, 13))


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
def test_a_damaged_mask_is_refused(bits: str) -> None:
    with pytest.raises(ValueError, match=r"mask|bytes|damaged"):
        PackedMask.from_json({"box": [0, 0, 9, 13, 5], "bits": bits})


@given(masks, st.integers(-5, 5), st.integers(-5, 5))
def test_a_packed_mask_lies_where_the_mask_did(mask: np.ndarray, y: int, x: int) -> None:
    placed = PlacedMask(y, x, mask)
    packed = PackedMask.of(placed)
    assert packed.bounds == placed.bounds
    assert packed.span == placed.span


def test_no_pixel_at_all_has_no_bounds() -> None:
    assert NOTHING.bounds is None
    assert NOTHING.placed().window is None
    assert NOTHING.span == 0


@given(masks, st.sampled_from([1, 4, 64]))
def test_a_mask_that_comes_in_bands_is_packed_as_the_whole_one(mask: np.ndarray, rows: int) -> None:
    bands = (mask[y : y + rows] for y in range(0, len(mask), rows))
    packed = PackedMask.of_bands(3, -4, bands)
    assert packed.placed().mask.sum() == mask.sum()
    assert not mask.any() or packed == PackedMask.of(PlacedMask(3, -4, mask))


def test_packing_by_bands_writes_the_bits_that_packing_at_once_does() -> None:
    mask = np.random.default_rng(0).random((1000, 333)) > 0.5
    assert PackedMask.of(PlacedMask(0, 0, mask)).bits == zlib.compress(
        np.packbits(mask).tobytes(), 1
    )


def test_a_tight_mask_is_not_copied_to_crop_it() -> None:
    placed = PlacedMask(0, 0, np.ones((4, 5), np.bool_))
    assert placed.cropped() is placed
