"""A mask and its place: what it covers, whatever its margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_pisam.masks.placed import PlacedMask

masks = arrays(np.bool_, st.tuples(st.integers(0, 7), st.integers(0, 9)))
places = st.tuples(st.integers(-9, 14), st.integers(-9, 14))


def pixels(placed: PlacedMask) -> set[tuple[int, int]]:
    """The image pixels that a mask covers, one by one."""
    return {(placed.y + int(y), placed.x + int(x)) for y, x in np.argwhere(placed.mask)}


@given(mask=masks, place=places, height=st.integers(1, 12), width=st.integers(1, 12))
def test_a_placed_mask_covers_the_same_pixels_in_an_image_and_without_its_margins(
    mask: NDArray[np.bool_], place: tuple[int, int], height: int, width: int
) -> None:
    placed = PlacedMask(*place, mask)
    full = placed.in_image(height, width)
    assert full.shape == (height, width)
    inside = {(y, x) for y, x in pixels(placed) if 0 <= y < height and 0 <= x < width}
    assert pixels(PlacedMask(0, 0, full)) == inside
    tight = placed.cropped()
    assert pixels(tight) == pixels(placed)
    edges = (tight.mask[:1], tight.mask[-1:], tight.mask[:, :1], tight.mask[:, -1:])
    assert not tight.mask.size or all(edge.any() for edge in edges)


@given(mask=masks, place=places)
def test_masks_are_equal_when_they_lie_alike_and_show_the_same(
    mask: NDArray[np.bool_], place: tuple[int, int]
) -> None:
    placed, same = PlacedMask(*place, mask), PlacedMask(*place, mask.copy())
    assert placed == same
    assert hash(placed) == hash(same)
    assert placed != PlacedMask(place[0] + 1, place[1], mask)
    assert not mask.size or placed != PlacedMask(*place, ~mask)
    assert placed != "a mask"


@pytest.mark.parametrize("mask", [np.zeros((2, 3)), np.zeros(3, bool), np.zeros((1, 2, 3), bool)])
def test_what_is_no_mask_is_refused(mask: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="two-dimensional boolean"):
        PlacedMask(0, 0, mask)


@given(mask=masks, place=places)
def test_the_span_of_a_mask_is_its_longer_side_without_the_margins(
    mask: NDArray[np.bool_], place: tuple[int, int]
) -> None:
    covered = pixels(PlacedMask(*place, mask))
    rows, cols = {y for y, _ in covered}, {x for _, x in covered}
    sides = [max(s) - min(s) + 1 for s in (rows, cols) if s]
    assert PlacedMask(*place, mask).span == max(sides, default=0)
