"""Small layers in their quicker forms give what their plain forms give."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.common import LayerNorm2d as Plain

from napari_pisam.model.layers import LayerNorm2d, normalise, rgb_embedding, rgb_of_pixels


@pytest.mark.parametrize("channels", [1, 8, 16, 32])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_equals_the_packages_in_every_layout(
    channels: int, gradient: bool, dtype: torch.dtype
) -> None:
    random = torch.Generator().manual_seed(channels)
    ours, plain = LayerNorm2d(channels), Plain(channels)
    for norm in (ours, plain):
        norm.weight.data = torch.linspace(0.5, 2, channels)
        norm.bias.data = torch.linspace(-1, 1, channels)
    # a mean far from zero is where a careless variance loses its digits
    x = (30 + torch.randn(2, channels, 9, 7, generator=random)).to(dtype)
    for layout in (x, x.contiguous(memory_format=torch.channels_last)):
        with torch.set_grad_enabled(gradient), torch.autocast("cpu", torch.bfloat16):
            got = ours(layout)
        assert got.dtype == dtype
        want = plain(x.float())
        tolerance = 1e-4 if dtype == torch.float32 else 0.05
        torch.testing.assert_close(got.float(), want, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("channels", [8, 32])
@pytest.mark.parametrize("spread", [0.0, 1e-4, 1e-3, 1e-2])
def test_a_map_that_is_nearly_flat_is_normed_as_the_package_does(
    channels: int, spread: float
) -> None:
    random = torch.Generator().manual_seed(channels)
    x = spread * torch.randn(1, channels, 6, 5, generator=random)
    with torch.no_grad():
        got, want = LayerNorm2d(channels)(x), Plain(channels)(x)
    torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-3)


def test_the_rgb_embedding_of_pixels_is_that_of_the_normalised_ones_up_to_the_border() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        embedding = rgb_embedding()
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (1, 3, 12, 15), dtype=torch.uint8, generator=random)
    with torch.no_grad():
        torch.testing.assert_close(
            rgb_of_pixels(embedding, pixels), embedding(normalise(pixels)), atol=1e-5, rtol=1e-5
        )
