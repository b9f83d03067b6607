"""A mask and its place: what it covers, whatever its margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Click

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


@given(mask=masks, place=places, at=places, size=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_window_shows_of_a_mask_what_lies_in_it(
    mask: NDArray[np.bool_], place: tuple[int, int], at: tuple[int, int], size: tuple[int, int]
) -> None:
    window = Window(*at, *size)
    shown = PlacedMask(*place, mask).in_window(window)
    assert shown.shape == size
    inside = {(y, x) for y, x in pixels(PlacedMask(*place, mask)) if window.contains(Click(y, x))}
    assert pixels(PlacedMask(*at, shown)) == inside


@given(
    mask=masks,
    place=places,
    at=places,
    off=st.tuples(st.floats(-0.49, 0.49), st.floats(-0.49, 0.49)),
)
def test_a_mask_covers_a_click_when_it_holds_the_nearest_pixel(
    mask: NDArray[np.bool_], place: tuple[int, int], at: tuple[int, int], off: tuple[float, float]
) -> None:
    placed = PlacedMask(*place, mask)
    assert placed.covers(Click(at[0] + off[0], at[1] + off[1])) == (at in pixels(placed))


def test_a_click_between_two_pixels_is_on_the_lower_right_one() -> None:
    mask = PlacedMask(-3, 5, np.ones((1, 1), np.bool_))
    assert mask.covers(Click(-3.5, 4.5))
    assert not mask.covers(Click(-2.5, 5))
    assert not mask.covers(Click(-3, 5.5))


@given(mask=masks, place=places, other=masks, at=places)
def test_a_mask_without_another_has_the_pixels_that_only_it_has(
    mask: NDArray[np.bool_],
    place: tuple[int, int],
    other: NDArray[np.bool_],
    at: tuple[int, int],
) -> None:
    one, two = PlacedMask(*place, mask), PlacedMask(*at, other)
    assert pixels(one.without(two)) == pixels(one) - pixels(two)
