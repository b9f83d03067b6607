"""SAM's image encoder, quicker: the same weights under the same names, for inference.

The package's blocks keep their modules; only the way from input to output is another:
scaled-dot-product attention whose relative positions are added a few rows at a time, windows
computed where there are tokens and not where there is padding, no temporary larger than a few
tens of megabytes, products of matrices in the form and precision that the device does quickest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.jobs import finish
from napari_pisam.model.sam import Attention, Block, ImageEncoderViT, MLPBlock

__all__ = ["accelerate_encoder", "encode", "encode_steps"]

_BIAS_ELEMENTS = {"cpu": 2**20}
"""Values of attention bias held at a time, by device; where memory is quicker, `_BIAS_DEFAULT`."""
_BIAS_DEFAULT = 2**26
_MLP_TOKENS = {"cpu": 1024}
"""Tokens that go through the MLP at a time on a device; all of them elsewhere."""

Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def accelerate_encoder(
    encoder: ImageEncoderViT, *, dtype: torch.dtype = torch.float32
) -> ImageEncoderViT:
    """Replace the blocks of an encoder, in place, by quick ones for inference; return it.

    dtype: of the matrix products (the residual stream, the norms, the patch embedding and the
    neck stay float32, and so do input and output). Parameters keep their names; with a dtype
    other than float32 those of attention and MLP are converted. The outputs equal the package's
    to about 1e-5 in float32. There is no gradient through it. Doing it twice is harmless.
    """
    device = next(encoder.parameters()).device
    linear = _quickest_linear(device)
    for i, block in enumerate(encoder.blocks):
        encoder.blocks[i] = _QuickBlock(block, dtype, linear)
    return encoder.eval()


def encode(encoder: ImageEncoderViT, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised pixels (B, 3, S, S) -> embedding (B, dim, g, g), early (B, g, g, width).

    Early features, channels last, are the output of the first block with global attention.
    Takes the package's encoder as well as an accelerated one. Sources: SAM's image encoder
    (Kirillov et al., 2023); early features as HQ-SAM and Pi-SAM take them.
    """
    return finish(encode_steps(encoder, pixels))


def encode_steps(
    encoder: ImageEncoderViT, pixels: Tensor
) -> Generator[int, None, tuple[Tensor, Tensor]]:
    """`encode` in pieces: yields the number of blocks done after each; closing it cancels."""
    # Embed the patches and add absolute positions
    x = encoder.patch_embed(pixels)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    # Run the blocks, and keep the output of the first with global attention
    early = None
    for done, block in enumerate(encoder.blocks, start=1):
        x = block(x)
        if early is None and block.window_size == 0:
            early = x
        yield done
    if early is None:
        raise ValueError("This encoder has no block with global attention.")
    # Reduce the channels
    return encoder.neck(x.permute(0, 3, 1, 2)), early


# products of matrices


def _by_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight, bias)


def _by_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`linear` as a 1x1 convolution, which another, on some CPUs quicker, library computes."""
    rows = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    out = F.conv2d(rows, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def _quickest_linear(device: torch.device) -> Linear:
    """The form in which a device multiplies matrices best.

    On CPUs oneDNN's convolution: as quick as any `linear` there, and on some twice as quick.
    """
    mkldnn = torch.backends.mkldnn
    convolves = device.type == "cpu" and mkldnn.is_available()  # type: ignore[no-untyped-call]
    return _by_convolution if convolves else _by_linear


# blocks


class _QuickBlock(nn.Module):
    """A block of the package's ViT: (B, H, W, C) float32 -> the same."""

    attn: Attention
    mlp: MLPBlock

    def __init__(self, block: Block, dtype: torch.dtype, linear: Linear) -> None:
        super().__init__()
        self.norm1, self.attn = block.norm1, block.attn.to(dtype)
        self.norm2, self.mlp = block.norm2, block.mlp.to(dtype)
        self.window_size = int(block.window_size)
        self.dtype, self.linear = dtype, linear

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        # Attend, in windows or everywhere
        normed = self.norm1(x).to(self.dtype)
        # The sum is a new tensor, so that what follows may write into it.
        x = x.contiguous() + (
            self._windows(normed) if self.window_size else self._everywhere(normed)
        )
        # Add the MLP, some tokens at a time
        tokens = x.view(-1, x.shape[-1])
        lin1, lin2, act = self.mlp.lin1, self.mlp.lin2, self.mlp.act
        step = _MLP_TOKENS.get(x.device.type, len(tokens))
        for start in range(0, len(tokens), step):
            part = tokens[start : start + step]
            hidden = self.linear(self.norm2(part).to(self.dtype), lin1.weight, lin1.bias)
            hidden = torch.ops.aten.gelu_(hidden) if type(act) is nn.GELU else act(hidden)
            part.add_(self.linear(hidden, lin2.weight, lin2.bias))
        return x

    def _everywhere(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        q, k, v = self._qkv(x.view(b, h * w, c))
        # Every row block reads all keys again, quicker when a head's lie together.
        qkv = (q, k.contiguous(), v.contiguous())
        mixed = _attend(self.attn, qkv, _Grid(h, w, h, w))
        return self._project(mixed).view(b, h, w, c)

    def _windows(self, x: Tensor) -> Tensor:
        """Window by window, the windows at the right and lower border without their padding."""
        out = torch.empty_like(x)
        b, size, c = len(x), self.window_size, x.shape[-1]
        for top, height in _strips(x.shape[1], size):
            for left, width in _strips(x.shape[2], size):
                grid = _Grid(min(height, size), min(width, size), size, size)
                area = (slice(None), slice(top, top + height), slice(left, left + width))
                # Cut into windows: (B, rows of windows, height, columns of windows, width, C)
                tiled = (b, height // grid.height, grid.height, width // grid.width, grid.width, c)
                tokens = x[area].reshape(tiled).transpose(2, 3).reshape(-1, grid.cells, c)
                # Attend within each window
                qkv = _pad_keys(self.attn, self._qkv(tokens), grid)
                mixed = self._project(_attend(self.attn, qkv, grid))
                # Put the windows back in their place
                turned = mixed.view(b, tiled[1], tiled[3], grid.height, grid.width, c)
                out[area] = turned.transpose(2, 3).reshape(b, height, width, c)
        return out

    def _qkv(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, T, C) -> queries, keys and values, each (n, heads, T, d), without a copy."""
        qkv = self.linear(tokens, self.attn.qkv.weight, self.attn.qkv.bias)
        n, t = tokens.shape[:2]
        q, k, v = qkv.view(n, t, 3, self.attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def _project(self, mixed: Tensor) -> Tensor:
        """(n, heads, T, d) -> (n, T, C)."""
        n, t = mixed.shape[0], mixed.shape[2]
        tokens = mixed.transpose(1, 2).reshape(n, t, -1)
        out: Tensor = self.linear(tokens, self.attn.proj.weight, self.attn.proj.bias)
        return out


# attention


@dataclass(frozen=True, slots=True)
class _Grid:
    """height x width queries, the upper left part of key_height x key_width keys."""

    height: int
    width: int
    key_height: int
    key_width: int

    @property
    def cells(self) -> int:
        return self.height * self.width

    @property
    def keys(self) -> int:
        return self.key_height * self.key_width


def _strips(length: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and length of what whole windows cover, then of what is left over."""
    whole = length - length % size
    if whole:
        yield 0, whole
    if whole < length:
        yield whole, length - whole


def _pad_keys(
    attn: Attention, qkv: tuple[Tensor, Tensor, Tensor], grid: _Grid
) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values of the padding that the package adds: zeros, so their bias alone."""
    q, k, v = qkv
    if grid.cells == grid.keys:
        return qkv
    n, heads, _, d = q.shape
    padded = k.new_zeros((2, n, grid.key_height, grid.key_width, heads, d))
    if attn.qkv.bias is not None:
        bias = attn.qkv.bias.view(3, heads, d)
        padded += bias[1:].view(2, 1, 1, 1, heads, d)
    for target, source in zip(padded, (k, v), strict=True):
        shape = (n, grid.height, grid.width, heads, d)
        target[:, : grid.height, : grid.width] = source.transpose(1, 2).view(shape)
    k, v = padded.view(2, n, grid.keys, heads, d).transpose(2, 3)
    return q, k, v


def _attend(attn: Attention, qkv: tuple[Tensor, Tensor, Tensor], grid: _Grid) -> Tensor:
    """Queries (n, heads, T, d), keys and values (n, heads, K, d) -> (n, heads, T, d)."""
    q, k, v = qkv
    if not attn.use_rel_pos:
        return F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
    # Compute the relative positions of rows and columns
    n, heads, t, d = q.shape
    out = q.new_empty((n, t, heads, d)).transpose(1, 2)
    rel_rows, rel_columns = _relative(attn, q, grid)
    # Choose the kernel: with short numbers on a CPU, products of matrices are quicker than torch's
    short = q.device.type == "cpu" and q.dtype != torch.float32
    mix = _by_products if short else _by_kernel
    limit = _BIAS_ELEMENTS.get(q.device.type, _BIAS_DEFAULT)
    scratch = q.new_empty(2 if short else 1, max(limit, grid.width * grid.keys))
    # Attend piece by piece, so that the bias stays small
    for window, head, row in _pieces((n, heads, grid.height), grid.width * grid.keys, limit):
        part = (window, head, row)
        queries = (window, head, slice(row.start * grid.width, row.stop * grid.width))
        # Add both relative positions into the bias
        rows, columns = rel_rows[part].unsqueeze(-1), rel_columns[part].unsqueeze(-2)
        shape = (*rows.shape[:-1], grid.key_width)
        room = scratch[:, : math.prod(shape)]
        torch.add(rows, columns, out=room[0].view(shape))
        room = room.view(len(scratch), *shape[:2], -1, grid.keys)
        out[queries] = mix((q[queries], k[window, head], v[window, head]), attn.scale, room)
    return out


def _by_kernel(qkv: tuple[Tensor, Tensor, Tensor], scale: float, room: Tensor) -> Tensor:
    """room (1, n, heads, T, K): the bias."""
    return F.scaled_dot_product_attention(*qkv, attn_mask=room[0], scale=scale)


def _by_products(qkv: tuple[Tensor, Tensor, Tensor], scale: float, room: Tensor) -> Tensor:
    """room (2, n, heads, T, K): the bias, which is overwritten, and as much again to work in."""
    # Compute scores plus bias, normalise them, and mix the values
    q, k, v = (part.flatten(0, 1) for part in qkv)
    scores, weights = room.flatten(1, 2)
    torch.baddbmm(scores, q, k.transpose(1, 2), alpha=scale, out=scores)
    torch.softmax(scores, -1, out=weights)
    return torch.bmm(weights, v).view(qkv[0].shape)


def _pieces(
    shape: tuple[int, int, int], unit: int, limit: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Blocks of windows x heads x rows, of `limit` values where a row of one head has `unit`."""
    n, heads, rows = shape
    row_step = max(1, min(rows, limit // unit))
    head_step = max(1, min(heads, limit // (unit * rows)))
    step = max(1, min(n, limit // (unit * rows * heads)))
    for window in range(0, n, step):
        for head in range(0, heads, head_step):
            for row in range(0, rows, row_step):
                yield (
                    slice(window, min(window + step, n)),
                    slice(head, min(head + head_step, heads)),
                    slice(row, min(row + row_step, rows)),
                )


def _relative(attn: Attention, q: Tensor, grid: _Grid) -> tuple[Tensor, Tensor]:
    """What a query adds for a key's row and column: (n, heads, height, width, keys' side) each.

    Both are views of one product of the queries with the tables of relative positions: along a
    row of the product the keys follow each other, and a step of the query shifts them by one.
    """
    # Multiply the queries with both tables
    n, heads, t, d = q.shape
    tables = [
        _table(attn.rel_pos_h, grid.key_height).flip(0),
        _table(attn.rel_pos_w, grid.key_width).flip(0),
    ]
    table = torch.cat(tables).t().expand(heads, -1, -1)
    queries = q.permute(1, 0, 2, 3).reshape(heads, n * t, d)
    product = torch.bmm(queries, table)
    # View the product so that each query's row begins at its own shift
    length = product.shape[-1]
    window, head, row = t * length, n * t * length, grid.width * length
    rows = product.as_strided(
        (n, heads, grid.height, grid.width, grid.key_height),
        (window, head, row - 1, length, 1),
        grid.key_height - 1,
    )
    columns = product.as_strided(
        (n, heads, grid.height, grid.width, grid.key_width),
        (window, head, row, length - 1, 1),
        len(tables[0]) + grid.key_width - 1,
    )
    return rows, columns


def _table(positions: Tensor, side: int) -> Tensor:
    """Relative positions -(side - 1) .. side - 1, resampled as the package does: (., d)."""
    if len(positions) == 2 * side - 1:
        return positions
    resized = F.interpolate(positions.t().unsqueeze(0), size=2 * side - 1, mode="linear")
    return resized[0].t()
