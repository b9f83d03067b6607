"""Against the package's own encoder, on random weights, sizes, windows and batches."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_pisam.model import attention
from napari_pisam.model.attention import accelerate_encoder, encode, encode_steps
from napari_pisam.model.sam import ImageEncoderViT

CPU = torch.device("cpu")


def make(seed: int = 0, **changes: Any) -> ImageEncoderViT:
    """A 64-pixel encoder of 16 x 16 tokens whose biases and relative positions all matter."""
    options: dict[str, Any] = {
        "depth": 3,
        "embed_dim": 24,
        "img_size": 64,
        "mlp_ratio": 4,
        "norm_layer": partial(torch.nn.LayerNorm, eps=1e-6),
        "num_heads": 3,
        "patch_size": 4,
        "qkv_bias": True,
        "use_rel_pos": True,
        "global_attn_indexes": (1,),
        "window_size": 7,
        "out_chans": 8,
    }
    encoder = ImageEncoderViT(**{**options, **changes}).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
    return encoder


def picture(seed: int = 0, batch: int = 1, side: int = 64) -> Tensor:
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def both(encoder: ImageEncoderViT, pixels: Tensor, **options: Any) -> list[tuple[Tensor, Tensor]]:
    """Embedding and early features: of the package, then of the accelerated encoder."""
    stock = encode(encoder, pixels)
    return [stock, encode(accelerate_encoder(encoder, **options), pixels)]


def assert_equal(encoder: ImageEncoderViT, pixels: Tensor) -> None:
    want, got = both(encoder, pixels)
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, atol=2e-5, rtol=2e-5)


@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 3),
    # Windows that divide the 16 tokens (4, 8, 16), leave a rest (3, 5, 7, 14), or exceed them.
    window=st.sampled_from([3, 4, 5, 7, 8, 14, 16, 20]),
    heads=st.sampled_from([1, 2, 3]),
    rel_pos=st.booleans(),
    bias=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_gives_what_the_package_gives(
    seed: int, batch: int, window: int, heads: int, rel_pos: bool, bias: bool
) -> None:
    encoder = make(seed, window_size=window, num_heads=heads, use_rel_pos=rel_pos, qkv_bias=bias)
    assert_equal(encoder, picture(seed, batch))


@pytest.mark.parametrize("window", [5, 14])
@pytest.mark.parametrize("limit", [1, 300, 5_000, 2**22])
def test_the_size_of_the_pieces_changes_no_value(
    limit: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_BIAS_ELEMENTS", {"cpu": limit})
    monkeypatch.setattr(attention, "_MLP_TOKENS", {"cpu": 100})
    assert_equal(make(1, window_size=window), picture(1, batch=2))


@pytest.mark.parametrize("name", ["_by_linear", "_by_convolution"])
def test_every_form_of_linear_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form = getattr(attention, name)
    monkeypatch.setattr(attention, "_quickest_linear", lambda *_: form)
    assert_equal(make(2), picture(2, batch=2))


def test_relative_positions_are_resampled_for_another_size() -> None:
    encoder = make(3, use_abs_pos=False, window_size=4)
    assert_equal(encoder, picture(3, side=40))


def test_names_and_weights_stay() -> None:
    encoder = make()
    before = copy.deepcopy(encoder.state_dict())
    accelerate_encoder(encoder)
    after = encoder.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    encoder.load_state_dict(make(5).state_dict())
    torch.testing.assert_close(encode(encoder, picture())[0], make(5)(picture()))


def test_the_forward_of_the_package_runs_through_it() -> None:
    encoder = accelerate_encoder(make())
    with torch.no_grad():
        torch.testing.assert_close(encoder(picture()), make()(picture()), atol=2e-5, rtol=2e-5)


def test_accelerating_twice_changes_nothing() -> None:
    once, twice = accelerate_encoder(make()), accelerate_encoder(accelerate_encoder(make()))
    assert list(once.state_dict()) == list(twice.state_dict())
    assert torch.equal(encode(once, picture())[0], encode(twice, picture())[0])


@pytest.mark.parametrize("quick", [False, True])
def test_early_features_are_the_output_of_the_first_global_block(quick: bool) -> None:
    encoder = make(depth=4, global_attn_indexes=(1, 3))
    if quick:
        accelerate_encoder(encoder)
    kept: list[Tensor] = []
    encoder.blocks[1].register_forward_hook(lambda *a: kept.append(a[2].detach().clone()))
    embedding, early = encode(encoder, picture(batch=2))
    assert embedding.shape == (2, 8, 16, 16)
    assert early.shape == (2, 16, 16, 24)
    # Later blocks work in place on sums of their own, not on this.
    assert torch.equal(early, kept[0])


def test_steps_count_the_blocks_and_can_be_cancelled() -> None:
    encoder = accelerate_encoder(make())
    run: list[int] = []
    for i, block in enumerate(encoder.blocks):
        block.register_forward_hook(lambda *_, i=i: run.append(i))
    assert list(encode_steps(encoder, picture())) == [1, 2, 3]
    run.clear()
    steps = encode_steps(encoder, picture())
    assert next(steps) == 1
    steps.close()
    assert run == [0]


def test_no_gradient_goes_through() -> None:
    x = torch.randn(1, 16, 16, 24, requires_grad=True)
    assert not accelerate_encoder(make()).blocks[0](x).requires_grad


def test_the_package_stays_trainable() -> None:
    embedding, _ = encode(make(), picture())
    assert embedding.requires_grad


def test_an_encoder_without_global_attention_has_no_early_features() -> None:
    with pytest.raises(ValueError, match="no block with global attention"):
        encode(make(global_attn_indexes=()), picture())


def test_in_bfloat16_the_output_is_float32_and_near() -> None:
    want, got = both(make(6, window_size=5), picture(6), dtype=torch.bfloat16)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == torch.float32
        assert (g - w).abs().mean() < 0.03 * w.abs().mean()


def test_attention_by_matrix_products_equals_the_kernels() -> None:
    random = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, t, 8, generator=random) for t in (5, 12, 12))
    room = torch.randn(2, 2, 3, 5, 12, generator=random)
    want = attention._by_kernel((q, k, v), 0.3, room[:1].clone())
    got = attention._by_products((q, k, v), 0.3, room)
    torch.testing.assert_close(got, want)


def test_linear_layers_are_convolutions_on_cpus_alone() -> None:
    assert attention._quickest_linear(CPU) is attention._by_convolution
    assert attention._quickest_linear(torch.device("cuda")) is attention._by_linear
