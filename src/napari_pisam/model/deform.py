"""Modulated deformable convolution, exact, on every core and only where it is wanted.

torchvision's CPU kernel runs on one thread. Here the four corners of every bilinear sample are
summed by `embedding_bag`, which reads all channels of a pixel at once, and one matrix product
over all taps follows. Source of the operation: Deformable ConvNets v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_SAMPLES = 2**16
"""Samples computed at a time: 8 MB of values at 32 channels, and 4 MB of where to find them."""
_ELEMENTS = 2**24
"""Sampled values held at a time where `grid_sample` does the work."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the output's rows and columns, in cells."""

    top: int
    left: int
    height: int
    width: int


def deform_conv(
    x: Tensor, offset: Tensor, modulator: Tensor, *, weight: Tensor, padding: int
) -> Tensor:
    """torchvision's `deform_conv2d` with a mask, stride 1, one offset group and no bias.

    x (B, C, H, W); offset (B, 2 k k, h, w) in cells, (dy, dx) tap by tap; modulator (B, k k, h, w);
    weight (O, C, k, k), with h = H + 2 padding - k + 1 and w alike -> (B, O, h, w) in the dtype of
    x. Positions and sums are float32 at least. Differentiable once in all four.
    Raises ValueError for shapes that do not fit.
    """
    if x.device.type == "cuda":
        # torchvision's kernel is the quickest on CUDA.
        from torchvision.ops import deform_conv2d

        out: Tensor = deform_conv2d(x, offset, weight, padding=padding, mask=modulator)
        return out
    grow = 2 * padding - weight.shape[-1] + 1
    region = Region(0, 0, x.shape[2] + grow, x.shape[3] + grow)
    return deform_conv_region(x, offset, modulator, weight=weight, padding=padding, region=region)


def deform_conv_region(
    x_full: Tensor,
    offset_region: Tensor,
    modulator_region: Tensor,
    *,
    weight: Tensor,
    padding: int,
    region: Region,
) -> Tensor:
    """The rectangle `region` of what `deform_conv` gives; samples may fall anywhere in x_full.

    x_full (B, C, H, W); offset_region (B, 2 k k, h, w) and modulator_region (B, k k, h, w) are
    those of the rectangle alone -> (B, O, h, w). Raises ValueError for shapes that do not fit.
    """
    taps = weight.shape[-1] ** 2
    _check("offset", offset_region, (len(x_full), 2 * taps, region.height, region.width))
    _check("modulator", modulator_region, (len(x_full), taps, region.height, region.width))
    _check("weight", weight, (len(weight), x_full.shape[1], *weight.shape[-1:] * 2))
    if offset_region.numel() == 0:
        return x_full.new_zeros((len(x_full), len(weight), region.height, region.width))
    exact = torch.float64 if x_full.dtype == torch.float64 else torch.float32
    inputs = [t.to(exact) for t in (x_full, offset_region, modulator_region, weight)]
    sampler = _Sampler(weight.shape[-1], padding, region, x_full.shape[2], x_full.shape[3])
    # Coordinates in bfloat16 would be off by whole cells, so autocast stays out of here.
    with torch.autocast(x_full.device.type, enabled=False):
        if x_full.device.type == "cpu":
            out: Tensor = _BagDeform.apply(*inputs, sampler)
        else:
            out = _by_grid_sample(inputs, sampler)
    return out.to(x_full.dtype)


def _check(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)} where {shape} is needed.")


class _Samples(NamedTuple):
    """Where n output cells sample: each field (n, k k) or, for the corners, (n, k k, 4).

    corner: rows of `_Sampler.table`; weight: bilinear times modulator; corners in the order
    upper left, upper right, lower left, lower right. row, column: unclamped positions.
    """

    corner: Tensor
    weight: Tensor
    row: Tensor
    column: Tensor
    row_part: Tensor
    column_part: Tensor
    modulator: Tensor


@dataclass(frozen=True, slots=True)
class _Sampler:
    """The positions that a kernel's taps have before the offsets move them."""

    kernel: int
    padding: int
    region: Region
    height: int
    width: int

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of x under the first tap of the region's first cell."""
        return self.region.top - self.padding, self.region.left - self.padding

    def chunks(self) -> Iterator[slice]:
        """Runs of output cells, row by row, of bounded size."""
        cells = self.region.height * self.region.width
        step = max(1, _SAMPLES // self.kernel**2)
        for start in range(0, cells, step):
            yield slice(start, min(start + step, cells))

    def samples(self, offset: Tensor, modulator: Tensor, chunk: slice) -> _Samples:
        """offset (k k, 2, h * w), modulator (k k, h * w) of one image -> where they sample."""
        # Find where the taps lie before the offsets
        dtype, stride = offset.dtype, self.width + 3
        cell = torch.arange(chunk.start, chunk.stop).unsqueeze(1)
        tap = torch.arange(self.kernel**2)
        top, left = self.origin
        start_row = cell.div(self.region.width, rounding_mode="floor") + top + tap // self.kernel
        start_column = cell % self.region.width + left + tap % self.kernel
        # Add the offsets
        row = offset[:, 0, chunk].t() + start_row.to(dtype)
        column = offset[:, 1, chunk].t() + start_column.to(dtype)
        # Clamp: one cell outside, all corners that have weight are zero; further out is the same
        row_near, column_near = row.clamp(-1, self.height), column.clamp(-1, self.width)
        row_floor, column_floor = row_near.floor(), column_near.floor()
        row_part, column_part = row_near.sub_(row_floor), column_near.sub_(column_floor)
        # Find the corners' rows of the table; a NaN position gets a valid row and a weight of NaN
        first = row_floor.nan_to_num_(-1).to(torch.int32).add_(1).mul_(stride)
        first = first.add_(column_floor.nan_to_num_(-1).to(torch.int32)).add_(1)
        corner = first.new_empty((*first.shape, 4))
        for i, step in enumerate((0, 1, stride, stride + 1)):
            torch.add(first, step, out=corner[..., i])
        # Weigh the corners: bilinear times modulator
        factor = modulator[:, chunk].t()
        lower = row_part * factor
        upper = factor - lower
        weight = row.new_empty(corner.shape)
        torch.mul(upper, column_part, out=weight[..., 1])
        torch.mul(lower, column_part, out=weight[..., 3])
        torch.sub(upper, weight[..., 1], out=weight[..., 0])
        torch.sub(lower, weight[..., 3], out=weight[..., 2])
        return _Samples(corner, weight, row, column, row_part, column_part, factor)

    def table(self, x: Tensor) -> Tensor:
        """(C, H, W) -> one row of C values a cell, in a border of zeros (1 before, 2 after)."""
        return F.pad(x.permute(1, 2, 0), (0, 0, 1, 2, 1, 2)).reshape(-1, x.shape[0])


def _bags(table: Tensor, samples: _Samples, weight: Tensor) -> Tensor:
    """The sampled values (n, k k * C), tap by tap."""
    cells = samples.corner.shape[0]
    bags = F.embedding_bag(
        samples.corner.view(-1, 4), table, mode="sum", per_sample_weights=weight.view(-1, 4)
    )
    return bags.view(cells, -1)


def _by_tap(weight: Tensor) -> Tensor:
    """(O, C, k, k) -> (k k * C, O)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])


class _BagDeform(torch.autograd.Function):
    """Samples are computed anew for the gradient: what is kept is the inputs alone."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        offset: Tensor,
        modulator: Tensor,
        weight: Tensor,
        sampler: _Sampler,
    ) -> Tensor:
        ctx.save_for_backward(x, offset, modulator, weight)
        ctx.sampler = sampler
        region = sampler.region
        taps, cells = sampler.kernel**2, region.height * region.width
        matrix = _by_tap(weight)
        out = x.new_empty((len(x), cells, len(weight)))
        for i in range(len(x)):
            table = sampler.table(x[i])
            moves = offset[i].reshape(taps, 2, cells)
            factors = modulator[i].reshape(taps, cells)
            for chunk in sampler.chunks():
                samples = sampler.samples(moves, factors, chunk)
                torch.mm(_bags(table, samples, samples.weight), matrix, out=out[i, chunk])
        return out.view(len(x), region.height, region.width, -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, offset, modulator, weight = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            grads = [
                _gradients(
                    ctx.sampler,
                    (x[i], offset[i], modulator[i], weight),
                    grad_out[i],
                )
                for i in range(len(x))
            ]
        grad_x, grad_offset, grad_modulator = (
            torch.stack([g[field] for g in grads]) for field in range(3)
        )
        grad_weight = torch.stack([g.weight for g in grads]).sum(0)
        return grad_x, grad_offset, grad_modulator, grad_weight, None


class _Gradients(NamedTuple):
    """Of one image, each shaped as the input it belongs to."""

    x: Tensor
    offset: Tensor
    modulator: Tensor
    weight: Tensor


def _gradients(
    sampler: _Sampler, inputs: tuple[Tensor, Tensor, Tensor, Tensor], grad: Tensor
) -> _Gradients:
    """inputs: x (C, H, W), offset (2 k k, h, w), modulator (k k, h, w), weight; grad (O, h, w)."""
    x, offset, modulator, weight = inputs
    taps, cells = sampler.kernel**2, grad[0].numel()
    channels, outward = len(x), len(weight)
    table, matrix = sampler.table(x), _by_tap(weight)
    grad_table, grad_matrix = torch.zeros_like(table), torch.zeros_like(matrix)
    grad_offset = offset.new_empty((taps, 2, cells))
    grad_modulator = modulator.new_empty((taps, cells))
    moves, factors = offset.reshape(taps, 2, cells), modulator.reshape(taps, cells)
    grad_cells = grad.reshape(outward, cells).t().contiguous()
    for chunk in sampler.chunks():
        # Carry the gradient back through the matrix product
        samples = sampler.samples(moves, factors, chunk)
        grad_bags = grad_cells[chunk] @ matrix.t()
        # Sum its products with the sampled values, for the corners' weights
        with torch.enable_grad():
            corner_weight = samples.weight.requires_grad_()
            bags = _bags(table, samples, corner_weight)
            (grad_corner,) = torch.autograd.grad(bags, corner_weight, grad_bags)
        # Accumulate the gradients of weight, x, offset and modulator
        grad_matrix.addmm_(bags.detach().t(), grad_cells[chunk])
        rows = grad_bags.view(-1, channels)
        for i in range(4):
            index = samples.corner[..., i].reshape(-1)
            share = samples.weight.detach()[..., i].reshape(-1, 1)
            grad_table.index_add_(0, index, rows * share)
        parts = _sample_gradients(sampler, samples, grad_corner)
        grad_offset[:, 0, chunk], grad_offset[:, 1, chunk], grad_modulator[:, chunk] = parts
    inner = grad_table.view(sampler.height + 3, sampler.width + 3, channels)[1:-2, 1:-2]
    k = sampler.kernel
    return _Gradients(
        inner.permute(2, 0, 1),
        grad_offset.view_as(offset),
        grad_modulator.view_as(modulator),
        grad_matrix.view(k, k, channels, outward).permute(3, 2, 0, 1),
    )


def _sample_gradients(
    sampler: _Sampler, samples: _Samples, grad_corner: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of the corners' weights (n, k k, 4) -> of row, column, modulator, each (k k, n)."""
    upper_left, upper_right, lower_left, lower_right = grad_corner.unbind(-1)
    dy, dx = samples.row_part, samples.column_part
    left, right = torch.lerp(upper_left, lower_left, dy), torch.lerp(upper_right, lower_right, dy)
    inside_row = (samples.row >= -1) & (samples.row < sampler.height)
    inside_column = (samples.column >= -1) & (samples.column < sampler.width)
    factor = samples.modulator * (inside_row & inside_column)
    row = torch.lerp(lower_left - upper_left, lower_right - upper_right, dx) * factor
    column = (right - left) * factor
    return row.t(), column.t(), torch.lerp(left, right, dx).t()


def _by_grid_sample(inputs: Sequence[Tensor], sampler: _Sampler) -> Tensor:
    """The same on devices that have `grid_sample` but no quick `embedding_bag`.

    inputs: x, offset, modulator, weight, as `deform_conv_region` takes them.
    """
    x, offset, modulator, weight = inputs
    batch, channels, height, width = x.shape
    kernel, (h, w) = sampler.kernel, offset.shape[-2:]
    top, left = sampler.origin
    rows = torch.arange(h, device=x.device, dtype=x.dtype).view(h, 1) + top
    columns = torch.arange(w, device=x.device, dtype=x.dtype) + left
    taps = kernel**2
    group = max(1, min(taps, _ELEMENTS // (batch * channels * h * w)))
    out = x.new_zeros((batch, len(weight), h, w))
    for start in range(0, taps, group):
        # Move the taps by their offsets
        tap = torch.arange(start, min(start + group, taps), device=x.device)
        moves = offset.view(batch, taps, 2, h, w)[:, tap]
        row = moves[:, :, 0] + rows + (tap // kernel).view(-1, 1, 1)
        column = moves[:, :, 1] + columns + (tap % kernel).view(-1, 1, 1)
        # Sample and modulate; grid_sample counts from -1 to 1 across the cells' outer edges
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1)
        sampled = F.grid_sample(x, grid.view(batch, -1, w, 2), align_corners=False)
        sampled = sampled.view(batch, channels, len(tap), h, w) * modulator[:, None, tap]
        # Convolve the samples
        part = weight.flatten(2)[:, :, tap].reshape(len(weight), -1, 1, 1)
        out = out + F.conv2d(sampled.reshape(batch, -1, h, w), part)
    return out
