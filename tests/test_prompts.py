"""What a person says: any sequence of clicks is taken, and what is no click is told so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box, Click, Prompt

masks = arrays(np.bool_, st.tuples(st.integers(0, 7), st.integers(0, 9)))
places = st.tuples(st.integers(-9, 14), st.integers(-9, 14))


def pixels(placed: PlacedMask) -> set[tuple[int, int]]:
    """The image pixels that a mask covers, one by one."""
    return {(placed.y + int(y), placed.x + int(x)) for y, x in np.argwhere(placed.mask)}


def test_lists_and_tuples_of_clicks_make_equal_prompts() -> None:
    points: Any = [Click(1, 2)]
    corrections: Any = (Click(n, n, None) for n in range(2))
    prompt = Prompt(points=points, corrections=corrections)
    assert prompt == Prompt(
        points=(Click(1, 2),), corrections=(Click(0, 0, None), Click(1, 1, None))
    )
    assert len({prompt, prompt}) == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"points": ((1, 2),)}, r"Give points as Click\(y, x\), not as \(1, 2\)"),
        ({"corrections": ("1,2",)}, "Give corrections as Click"),
        ({"box": (1, 2, 3, 4)}, r"Give the box as Box\(y_min"),
        ({"points": (Click(1, 2, None),)}, "set positive"),
    ],
)
def test_what_is_no_click_and_no_box_is_told_so(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Prompt(**said)


@pytest.mark.parametrize("corners", [(0, 0, 0, 5), (3, 0, 1, 5), (0, 0, float("nan"), 5)])
def test_a_box_without_extent_is_refused(corners: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="A box needs"):
        Box(*corners)


@pytest.mark.parametrize("place", [(float("nan"), 1), (1, float("inf"))])
def test_a_click_nowhere_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite coordinates"):
        Click(*place)


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
    assert Prompt(mask=placed) == Prompt(mask=same)
    assert placed != "a mask"


@pytest.mark.parametrize("mask", [np.zeros((2, 3)), np.zeros(3, bool), np.zeros((1, 2, 3), bool)])
def test_what_is_no_mask_is_refused(mask: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="two-dimensional boolean"):
        PlacedMask(0, 0, mask)


def test_a_prompt_is_empty_until_something_says_where_the_object_is() -> None:
    said: list[Prompt] = [
        Prompt(),
        Prompt(points=(Click(1, 2, False),)),
        Prompt(corrections=(Click(1, 2),)),
    ]
    assert all(prompt.empty for prompt in said)
    where: list[Prompt] = [
        Prompt(points=(Click(1, 2, False), Click(3, 4))),
        Prompt(box=Box(0, 0, 1, 1)),
        Prompt(mask=PlacedMask(0, 0, np.ones((1, 1), np.bool_))),
    ]
    assert not any(prompt.empty for prompt in where)
    assert Box(1, 2, 4, 9).span == 7
