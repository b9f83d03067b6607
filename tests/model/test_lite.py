"""The light encoder, made quick for inference, gives what it gave before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from napari_pisam.model.config import CONFIGS
from napari_pisam.model.encoders import LiteEncoder
from napari_pisam.model.encoders.lite import _ConvNorm
from napari_pisam.model.pisam import PiSam, lay_channels_last


def encoder() -> LiteEncoder:
    """With norms that all do something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = LiteEncoder(CONFIGS["toy"])
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                torch.nn.init.normal_(module.running_mean, std=0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                torch.nn.init.uniform_(module.weight, 0.5, 2)
                torch.nn.init.normal_(module.bias, std=0.5)
    return made.eval()


def pixels() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_folded_norms_change_no_output_and_folding_twice_is_harmless() -> None:
    plain, folded = encoder(), encoder()
    folded.fold_norms()
    folded.fold_norms()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        for got, want in zip(folded(pixels()), plain(pixels()), strict=True):
            torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [8, 16])
def test_strided_convolutions_pad_as_tensorflows_same_does(kernel: int, side: int) -> None:
    # the backbone's published weights were trained so: what is odd goes below and to the right
    missing = (side // 2 - 1) * 2 + kernel - side
    before = missing // 2
    picture = torch.arange(1.0, side * side + 1).view(1, 1, side, side)
    padded = torch.zeros(side + missing, side + missing)
    padded[before : before + side, before : before + side] = picture[0, 0]
    layer = _ConvNorm(1, 1, kernel, stride=2).eval()
    norm = (1 + 1e-3) ** 0.5
    for row in range(kernel):
        for column in range(kernel):
            weight = torch.zeros(1, 1, kernel, kernel)
            weight[..., row, column] = 1
            layer[0].weight.data = weight
            with torch.no_grad():
                seen = layer(picture)[0, 0] * norm
            rows = slice(row, row + side - 1, 2)
            wanted = padded[rows, column : column + side - 1 : 2]
            torch.testing.assert_close(seen, wanted)


def test_channels_last_keeps_names_values_and_results() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        plain = PiSam(CONFIGS["toy"], "pi").eval()
    laid = copy.deepcopy(plain)
    lay_channels_last(laid)
    before, after = plain.state_dict(), laid.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    smooth = laid.image_encoder.smooth
    assert isinstance(smooth, torch.nn.Conv2d)
    assert smooth.weight.is_contiguous(memory_format=torch.channels_last)
    asked = {
        "boxes_xyxy_input": torch.tensor([[5.0, 5.0, 40.0, 50.0]] * 2),
        "clicks_xy_unit": torch.full((2, 1, 2), 0.4),
        "click_labels": torch.ones(2, 1, dtype=torch.long),
    }
    with torch.no_grad():
        got, want = (model(127 + 50 * pixels(), **asked) for model in (laid, plain))
    torch.testing.assert_close(got.logits, want.logits, atol=1e-4, rtol=1e-4)


def test_a_depthwise_convolution_is_trained_in_float32_on_the_cpu() -> None:
    torch.manual_seed(0)
    layer = _ConvNorm(8, 8, 5, groups=8)
    convolution, _ = layer
    shown = torch.randn(1, 8, 9, 9)
    assert isinstance(convolution, torch.nn.Conv2d)
    gradients = []
    for autocast in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            layer(shown).square().sum().backward()
        gradients.append(convolution.weight.grad)
    alone, mixed = gradients
    assert alone is not None
    assert mixed is not None
    assert torch.equal(alone, mixed)
