"""Evaluating only where the answer can be changes nothing there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_pisam.model.config import CONFIGS
from napari_pisam.model.decoder import PiDecoder, PromptState
from napari_pisam.model.deform import Region
from napari_pisam.model.region import (
    HEAD_MARGIN,
    answer_region,
    cut,
    grown,
    head_on,
    laid_over,
    object_feature_on,
)

CONFIG = CONFIGS["toy"]
SIDE, SIZE = CONFIG.low, CONFIG.window


@pytest.fixture(scope="module")
def decoder() -> PiDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = PiDecoder(CONFIG, "pi")
        made.eval()
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return made


def state_of(seed: int) -> PromptState:
    generator = torch.Generator().manual_seed(seed)
    c = CONFIG.feature
    feature = torch.randn(1, c, SIDE, SIDE, generator=generator)
    low = torch.randn(1, 1, SIDE, SIDE, generator=generator)
    return PromptState(low, low, torch.ones(1, 1, c), feature, low)


@settings(deadline=None, max_examples=25)
@given(
    top=st.integers(0, 15),
    left=st.integers(0, 15),
    height=st.integers(1, 16),
    width=st.integers(1, 16),
)
def test_the_region_of_the_high_resolution_answer_equals_that_of_the_whole(
    decoder: PiDecoder, top: int, left: int, height: int, width: int
) -> None:
    region = Region(top, left, min(height, SIDE - top), min(width, SIDE - left))
    state = state_of(top)
    pixels = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(left))
    with torch.no_grad():
        whole = decoder.head(decoder.object_feature(state), decoder.rgb_embed(pixels))
        margins = grown(region, HEAD_MARGIN, SIDE)
        feature = object_feature_on(decoder.mask_aspp, state, margins)
        part = head_on(decoder, feature, pixels, region=region, margins=margins)
    assert torch.allclose(part, cut(whole, region, SIZE // SIDE), atol=1e-4)


def test_the_region_holds_the_likely_mask_and_every_prompt() -> None:
    low = torch.full((1, 1, SIDE, SIDE), -9.0)
    low[0, 0, 6:8, 7] = -4.0
    region = answer_region(low, torch.tensor([[0.99, 0.5]]))
    assert region == Region(4, 5, 7, 11)
    whole = laid_over(low, torch.ones(1, 1, 28, 44), region, SIZE)
    assert whole.shape == (1, 1, SIZE, SIZE)
    assert int((whole > 0).sum()) == 28 * 44
    assert float(cut(whole, region, 4).min()) == 1


def test_a_mask_that_is_likely_nowhere_or_nearly_everywhere_is_looked_for_everywhere() -> None:
    nowhere = torch.full((1, 1, SIDE, SIDE), -9.0)
    assert answer_region(nowhere, torch.zeros(1, 2)) is None
    assert answer_region(nowhere + 9, torch.zeros(1, 2)) is None
