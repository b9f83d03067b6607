"""Prompts: any sequence of clicks is taken, and what is no click is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box, Click, Prompt, points_span, prompt_centre


def test_lists_and_tuples_of_clicks_make_equal_prompts() -> None:
    points: Any = [Click(1, 2)]
    corrections: Any = (Click(n, n, None) for n in range(2))
    prompt = Prompt(points=points, corrections=corrections)
    assert prompt == Prompt(
        points=(Click(1, 2),), corrections=(Click(0, 0, None), Click(1, 1, None))
    )
    assert len({prompt, prompt}) == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"points": ((1, 2),)}, r"Give points as Click\(y, x\), not as \(1, 2\)"),
        ({"corrections": ("1,2",)}, "Give corrections as Click"),
        ({"box": (1, 2, 3, 4)}, r"Give the box as Box\(y_min"),
        ({"points": (Click(1, 2, None),)}, "set positive"),
    ],
)
def test_what_is_no_click_or_box_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Prompt(**fields)


@pytest.mark.parametrize("corners", [(0, 0, 0, 5), (3, 0, 1, 5), (0, 0, float("nan"), 5)])
def test_a_box_without_extent_is_refused(corners: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="A box needs"):
        Box(*corners)


@pytest.mark.parametrize("place", [(float("nan"), 1), (1, float("inf"))])
def test_a_click_nowhere_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite coordinates"):
        Click(*place)


def test_a_prompt_is_empty_until_something_tells_where_the_object_is() -> None:
    nowhere: list[Prompt] = [
        Prompt(),
        Prompt(points=(Click(1, 2, False),)),
        Prompt(corrections=(Click(1, 2),)),
    ]
    assert all(prompt.empty for prompt in nowhere)
    somewhere: list[Prompt] = [
        Prompt(points=(Click(1, 2, False), Click(3, 4))),
        Prompt(box=Box(0, 0, 1, 1)),
        Prompt(mask=PlacedMask(0, 0, np.ones((1, 1), np.bool_))),
    ]
    assert not any(prompt.empty for prompt in somewhere)
    assert Box(1, 2, 4, 9).span == 7


points = st.lists(
    st.builds(Click, st.integers(-50, 50), st.integers(-50, 50), st.booleans()), max_size=5
)


@given(others=points, y=st.integers(-50, 50), x=st.integers(-50, 50))
def test_points_are_centred_in_the_box_round_those_on_the_object(
    others: list[Click], y: int, x: int
) -> None:
    prompt = Prompt(points=(*others, Click(y, x)))
    on = [c for c in prompt.points if c.positive]
    centre = prompt_centre(prompt)
    for axis in ("y", "x"):
        places = [getattr(c, axis) for c in on]
        assert getattr(centre, axis) - min(places) == max(places) - getattr(centre, axis)


@given(
    y=st.integers(-50, 50),
    x=st.integers(-50, 50),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_a_mask_is_centred_between_its_outermost_pixels_and_a_box_goes_before_it(
    y: int, x: int, height: int, width: int
) -> None:
    padded = np.zeros((20, 20), np.bool_)
    padded[3 : 3 + height, 5 : 5 + width] = True
    mask = PlacedMask(y - 3, x - 5, padded)
    far = (Click(500, 500),)
    centre = prompt_centre(Prompt(points=far, mask=mask))
    assert centre.y - y == y + height - 1 - centre.y
    assert centre.x - x == x + width - 1 - centre.x
    assert prompt_centre(Prompt(points=far, mask=mask, box=Box(0, 0, 10, 30))) == Click(5, 15)


def test_a_prompt_without_a_place_has_no_centre() -> None:
    for prompt in (
        Prompt(),
        Prompt(points=(Click(1, 2, False),)),
        Prompt(corrections=(Click(1, 2),)),
    ):
        with pytest.raises(ValueError, match="Say where the object is"):
            prompt_centre(prompt)


def test_a_prompt_with_an_equal_mask_is_an_equal_prompt() -> None:
    mask = np.eye(3, dtype=np.bool_)
    same, other = PlacedMask(1, 2, mask.copy()), PlacedMask(1, 3, mask)
    assert Prompt(mask=PlacedMask(1, 2, mask)) == Prompt(mask=same)
    assert Prompt(mask=PlacedMask(1, 2, mask)) != Prompt(mask=other)


@given(others=points)
def test_the_span_of_points_is_of_those_on_the_object(others: list[Click]) -> None:
    on = [c for c in others if c.positive]
    sides = [max(places) - min(places) for places in ([c.y for c in on], [c.x for c in on]) if on]
    assert points_span(Prompt(points=tuple(others))) == max(sides, default=0)
