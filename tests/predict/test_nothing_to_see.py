"""Where there is nothing to see the mask is empty, and an image's plain parts stay objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_pisam.predict.predictor import Predictor
from napari_pisam.prompts import Box, Click, Prompt

PROMPTS = [
    Prompt(points=(Click(30, 40, True),)),
    Prompt(box=Box(10, 10, 50, 60)),
    Prompt(points=(Click(30, 40, True),), corrections=(Click(20, 20, None),)),
]


@pytest.mark.parametrize("value", [0, 7.5, np.nan, np.inf, -9999])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_image_of_one_value_has_no_object(toy: Predictor, value: float, prompt: Prompt) -> None:
    result = toy.segment(np.full((90, 100), value, np.float32), prompt)
    assert result.blank
    assert not result.mask.any()
    assert result.score == 0
    assert result.prepared().preview.doubt.max() == 0


def test_a_window_without_anything_in_it_has_no_object(toy: Predictor) -> None:
    image: Any = np.zeros((400, 400), np.uint16)
    image[300:, 300:] = np.random.default_rng(0).integers(0, 900, (100, 100))
    blank = toy.segment(image, Prompt(box=Box(20, 20, 60, 60)))
    assert blank.blank
    assert not blank.mask.any()
    assert not toy.segment(image, Prompt(box=Box(310, 310, 350, 350))).blank
