"""Evaluating only where the answer can be changes nothing there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_pisam.model import region as region_module
from napari_pisam.model.cells import cut, grown, strips
from napari_pisam.model.config import CONFIGS
from napari_pisam.model.decoder import PiDecoder, PromptState
from napari_pisam.model.deform import Region
from napari_pisam.model.layers import normalise
from napari_pisam.model.region import (
    HEAD_MARGIN,
    answer_region,
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


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """Any rectangle of the grid."""
    top, left = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
    height, width = draw(st.integers(1, SIDE - top)), draw(st.integers(1, SIDE - left))
    return Region(top, left, height, width)


@settings(deadline=None, max_examples=25)
@given(region=regions(), values=st.sampled_from([1, 2**13, 2**20]))
def test_the_high_resolution_logits_of_a_region_equal_those_of_the_window_in_strips_of_any_height(
    decoder: PiDecoder, region: Region, values: int
) -> None:
    state = state_of(region.top)
    generator = torch.Generator().manual_seed(region.left)
    pixels = 255 * torch.rand(1, 3, SIZE, SIZE, generator=generator)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_module, "_HEAD_VALUES", {"cpu": values})
        rgb = decoder.rgb_embed(normalise(pixels))
        whole = decoder.head(decoder.object_feature(state), rgb)
        margins = grown(region, HEAD_MARGIN, SIDE)
        embedder = decoder.mask_aspp
        assert state.mask_feature is not None
        start = embedder.start(state.mask_feature, state.low_res_logits)
        feature = object_feature_on(embedder, start, margins)
        part = head_on(decoder, feature, pixels, region=region, margins=margins)
    assert torch.allclose(part, cut(whole, region, SIZE // SIDE), atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(region=regions())
def test_the_corrected_feature_of_a_region_equals_that_of_the_window(
    decoder: PiDecoder, region: Region
) -> None:
    state = state_of(region.left)
    xy, labels = torch.tensor([[[0.1, 0.8], [0.6, 0.3]]]), torch.tensor([[1, 0]])
    with torch.no_grad():
        feature = decoder.object_feature(state)
        whole, part = (
            decoder.correct(feature, state, clicks_xy_unit=xy, click_labels=labels, region=r)
            for r in (None, region)
        )
    assert not torch.allclose(whole, feature, atol=1e-2)
    assert torch.allclose(part, cut(whole, region), atol=1e-5)


def test_strips_partition_their_region() -> None:
    region = Region(3, 2, 10, 5)
    covered = torch.zeros(SIDE, SIDE)
    for strip in strips(region, 4):
        cut(covered, strip).add_(1)
    assert covered.sum() == 50
    assert (cut(covered, region) == 1).all()


def test_the_region_holds_the_likely_mask_and_every_prompt() -> None:
    low = torch.full((1, 1, SIDE, SIDE), -9.0)
    low[0, 0, 6:8, 7] = -4.0
    region = answer_region(low, torch.tensor([[0.99, 0.5]]))
    assert region == Region(4, 5, 7, 11)
    whole = laid_over(low, torch.ones(1, 1, 28, 44), region, size=SIZE)
    assert whole.shape == (1, 1, SIZE, SIZE)
    assert int((whole > 0).sum()) == 28 * 44
    assert float(cut(whole, region, 4).min()) == 1


def test_a_click_beside_the_window_leaves_the_region_in_it() -> None:
    low = torch.full((1, 1, SIDE, SIDE), -9.0)
    low[0, 0, 6:8, 7] = -4.0
    region = answer_region(low, torch.tensor([[1.4, -0.3]]))
    assert region == Region(0, 5, 10, 11)


def test_a_mask_that_is_likely_nowhere_or_nearly_everywhere_takes_the_whole_window() -> None:
    nowhere = torch.full((1, 1, SIDE, SIDE), -9.0)
    assert answer_region(nowhere, torch.zeros(1, 2)) is None
    assert answer_region(nowhere + 9, torch.zeros(1, 2)) is None
