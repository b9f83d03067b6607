"""What a person says: any sequence of clicks is taken, and what is no click is told so."""

from __future__ import annotations

from typing import Any

import pytest

from napari_pisam.prompts import Box, Click, Prompt


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
