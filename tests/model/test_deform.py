"""Against torchvision's kernel, on random sizes, kernels, offsets and rectangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import deform_conv2d

from napari_pisam.model import deform
from napari_pisam.model.deform import Region, deform_conv, deform_conv_region


class Case(NamedTuple):
    x: Tensor
    offset: Tensor
    modulator: Tensor
    weight: Tensor
    padding: int

    @property
    def region(self) -> Region:
        return Region(0, 0, self.offset.shape[2], self.offset.shape[3])


def make(
    seed: int, *, batch: int = 1, size: tuple[int, int] = (9, 7), kernel: int = 3, reach: float = 3
) -> Case:
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    padding = kernel // 2
    taps, (h, w) = kernel**2, size
    return Case(
        normal(batch, 3, h, w),
        normal(batch, 2 * taps, h, w) * reach,
        normal(batch, taps, h, w),
        normal(2, 3, kernel, kernel),
        padding,
    )


def expected(case: Case) -> Tensor:
    x, offset, modulator, weight, padding = case
    out: Tensor = deform_conv2d(x, offset, weight, padding=padding, mask=modulator)
    return out


def ours(inputs: Sequence[Tensor], padding: int) -> Tensor:
    """`deform_conv` of x, offset, modulator and weight."""
    x, offset, modulator, weight = inputs
    return deform_conv(x, offset, modulator, weight=weight, padding=padding)


cases = st.builds(
    make,
    st.integers(0, 2**31),
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.sampled_from([1, 3, 7]),
    # From none to far outside the feature.
    reach=st.sampled_from([0.0, 0.3, 3.0, 100.0]),
)


@given(cases)
@settings(max_examples=60, deadline=None)
def test_equals_torchvision(case: Case) -> None:
    torch.testing.assert_close(ours(case[:4], case.padding), expected(case))


@given(cases)
@settings(max_examples=30, deadline=None)
def test_grid_sample_equals_torchvision(case: Case) -> None:
    sampler = deform._Sampler(
        case.weight.shape[-1], case.padding, case.region, case.x.shape[2], case.x.shape[3]
    )
    torch.testing.assert_close(deform._by_grid_sample(case[:4], sampler), expected(case))


@given(cases, st.data())
@settings(max_examples=40, deadline=None)
def test_a_region_is_a_crop_of_the_whole(case: Case, data: st.DataObject) -> None:
    h, w = case.offset.shape[2:]
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    region = Region(
        top, left, data.draw(st.integers(1, h - top)), data.draw(st.integers(1, w - left))
    )
    part = (
        ...,
        slice(top, top + region.height),
        slice(left, left + region.width),
    )
    got = deform_conv_region(
        case.x,
        case.offset[part],
        case.modulator[part],
        weight=case.weight,
        padding=case.padding,
        region=region,
    )
    torch.testing.assert_close(got, expected(case)[part])


@given(cases)
@settings(max_examples=30, deadline=None)
def test_gradients_equal_torchvisions(case: Case) -> None:
    inputs = [t.requires_grad_() for t in case[:4]]
    want = expected(case)
    send = torch.randn(want.shape, dtype=want.dtype, generator=torch.Generator().manual_seed(1))
    got = ours(inputs, case.padding)
    for g, w in zip(
        torch.autograd.grad(got, inputs, send),
        torch.autograd.grad(want, inputs, send),
        strict=True,
    ):
        torch.testing.assert_close(g, w)


def test_gradients_equal_finite_differences() -> None:
    case = make(5, size=(3, 4), reach=1.0)
    inputs = [t.requires_grad_() for t in case[:4]]
    assert torch.autograd.gradcheck(lambda *a: ours(a, 1), inputs)


def test_the_size_of_chunks_changes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make(7, size=(11, 8), kernel=7)
    inputs = [t.requires_grad_() for t in case[:4]]
    monkeypatch.setattr(deform, "_SAMPLES", 7 * 49)
    monkeypatch.setattr(deform, "_ELEMENTS", 3 * 5 * 88)
    torch.testing.assert_close(ours(inputs, 3), expected(case))
    sampler = deform._Sampler(7, 3, case.region, 11, 8)
    torch.testing.assert_close(deform._by_grid_sample(inputs, sampler), expected(case))
    got = torch.autograd.grad(ours(inputs, 3).square().sum(), inputs)
    want = torch.autograd.grad(expected(case).square().sum(), inputs)
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w)


def test_the_gradient_of_the_weight_alone() -> None:
    case = make(8)
    case.weight.requires_grad_()
    got = torch.autograd.grad(ours(case[:4], 1).sum(), case.weight)
    want = torch.autograd.grad(expected(case).sum(), case.weight)
    torch.testing.assert_close(got, want)


def test_no_padding_and_even_kernels() -> None:
    x, weight = torch.randn(1, 2, 6, 5), torch.randn(3, 2, 2, 2)
    offset, modulator = torch.randn(1, 8, 5, 4), torch.rand(1, 4, 5, 4)
    want = deform_conv2d(x, offset, weight, mask=modulator)
    got = deform_conv(x, offset, modulator, weight=weight, padding=0)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


def test_half_precision_keeps_its_dtype_and_exact_positions() -> None:
    case = make(3, size=(12, 12))
    x, offset, modulator, weight = (t.to(torch.bfloat16) for t in case[:4])
    got = deform_conv(x, offset, modulator, weight=weight, padding=1)
    assert got.dtype == torch.bfloat16
    whole = Case(x.float(), offset.float(), modulator.float(), weight.float(), 1)
    torch.testing.assert_close(got, expected(whole).to(torch.bfloat16))


def test_autocast_does_not_reach_the_positions() -> None:
    x, offset, modulator, weight = (t.float() for t in make(4)[:4])
    case = Case(x, offset, modulator, weight, 1)
    with torch.autocast("cpu", torch.bfloat16):
        got = ours(case[:4], 1)
    torch.testing.assert_close(got, expected(case), atol=1e-5, rtol=1e-5)


def test_a_nan_position_gives_nan_and_an_infinite_one_zero() -> None:
    case = make(6)
    case.offset[0, 0, 2, 2] = torch.nan
    case.offset[0, 0, 3, 3] = torch.inf
    got = ours(case[:4], 1)
    assert got[0, :, 2, 2].isnan().all()
    got[0, :, 2, 2] = 0
    assert got.isfinite().all()


def test_an_empty_region_gives_an_empty_result() -> None:
    case = make(9)
    region = Region(2, 2, 0, 4)
    part = (..., slice(2, 2), slice(2, 6))
    got = deform_conv_region(
        case.x,
        case.offset[part],
        case.modulator[part],
        weight=case.weight,
        padding=1,
        region=region,
    )
    assert got.shape == (1, 2, 0, 4)


@pytest.mark.parametrize("name", ["offset", "modulator", "weight"])
def test_shapes_that_do_not_fit_are_named(name: str) -> None:
    case = make(10)
    wrong = case._replace(**{name: getattr(case, name)[:, :-1]})
    with pytest.raises(ValueError, match=f"{name} has shape"):
        ours(wrong[:4], 1)
