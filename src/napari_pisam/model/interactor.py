"""The Precise Interactor of Pi-SAM: correction clicks change the object feature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model.cells import cut, grown, inside
from napari_pisam.model.deform import Region
from napari_pisam.model.layers import LayerNorm2d
from napari_pisam.model.sam import MLP


class FourierPosition(nn.Module):
    """Random Fourier features of (x, y) in 0..1: (..., 2) -> (..., dim)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, xy_unit: Tensor) -> Tensor:
        gaussian = self.positional_encoding_gaussian_matrix
        # float32 under autocast too: a bf16 coordinate has eight bits
        with torch.autocast(xy_unit.device.type, enabled=False):
            phase = 2 * math.pi * ((2 * xy_unit.float() - 1) @ gaussian.float())
            return torch.cat([phase.sin(), phase.cos()], -1)


class Attention(nn.Module):
    """One-head attention with SAM's parameter names."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """q (B, N, C), k and v (B, M, C); mask (B, 1, M) bool, False where a key is padding."""
        if mask is None and q.shape[1] > k.shape[1]:
            return self._of_few(q, k, v)
        if mask is None and k is v:
            return self._of_many(q, k)
        weights = F.scaled_dot_product_attention(
            self.q_proj(q), self.k_proj(k), self.v_proj(v), attn_mask=mask
        )
        out: Tensor = self.out_proj(weights)
        return out

    def _of_few(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Many queries, few keys: the projections of the queries are taken over by the keys."""
        keys = self.k_proj(k) / math.sqrt(k.shape[-1])
        scores = torch.baddbmm(
            (keys @ self.q_proj.bias).unsqueeze(1), q, (keys @ self.q_proj.weight).transpose(1, 2)
        )
        values = self.v_proj(v) @ self.out_proj.weight.t()
        return torch.baddbmm(self.out_proj.bias, torch.softmax(scores, -1), values)

    def _of_many(self, q: Tensor, k: Tensor) -> Tensor:
        """Few queries, many keys that are also the values: projected after they are mixed.

        A key's bias adds the same to every score of a query, so it changes nothing.
        """
        queries = self.q_proj(q) @ self.k_proj.weight / math.sqrt(q.shape[-1])
        weights = torch.softmax(torch.bmm(queries, k.transpose(1, 2)), -1)
        out: Tensor = self.out_proj(self.v_proj(torch.bmm(weights, k)))
        return out


def _summed(fresh: Tensor, other: Tensor) -> Tensor:
    """The sum, in the room of its first part (which nobody else holds) if the formats agree."""
    return fresh.add_(other) if fresh.dtype == other.dtype else fresh + other


def _rows(grid: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H * W, C), a copy only where channels are not last in memory."""
    return grid.flatten(2).transpose(1, 2).contiguous()


class ImageQueryBlock(nn.Module):
    """Cross-attention image to tokens, convolutions on the grid, then tokens to image."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.cross_attn_image_to_token = Attention(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1),
            LayerNorm2d(dim),
            nn.ReLU(inplace=True),
            nn.Conv2d(dim, dim, 3, padding=1),
        )
        self.norm2 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, image: Tensor, position: Tensor, tokens: Tensor, *, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """image and position (B, H*W, C) on a square grid, tokens (B, T, C)."""
        # Cross-attend from the image to the tokens
        attended = self.cross_attn_image_to_token(image + position, tokens, tokens, mask=mask)
        image = self.norm1(_summed(attended, image))
        # Mix neighbouring cells by convolutions
        image = self.norm2(_summed(self._on_grid(image), image))
        # Cross-attend from the tokens to the image
        placed = image + position
        tokens = self.norm3(tokens + self.cross_attn_token_to_image(tokens, placed, placed))
        return image, tokens

    def _on_grid(self, image: Tensor) -> Tensor:
        b, n, c = image.shape
        side = math.isqrt(n)
        # Rows of channels are an image with channels last in memory: nothing is copied.
        grid = image.view(b, side, side, c).permute(0, 3, 1, 2)
        mixed: Tensor = self.mlp(grid).flatten(2).transpose(1, 2)
        return mixed


class ImageQueryTransformer(nn.Module):
    """Two blocks and a final cross-attention from the image to the tokens."""

    def __init__(self, dim: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ImageQueryBlock(dim) for _ in range(depth))
        self.final_attn_image_to_token = Attention(dim)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self,
        image: Tensor,
        position: Tensor,
        tokens: Tensor,
        *,
        mask: Tensor | None,
        region: Region | None = None,
    ) -> Tensor:
        """image (B, C, H, W), position (1 or B, C, H, W) -> image (B, C, H, W), or its region.

        The tokens attend to the whole image; the final cross-attention is computed cell by cell, so
        that it is exact on a region alone.
        """
        b, c, h, w = image.shape
        # Run the blocks on the whole image
        rows, placed = _rows(image), _rows(position)
        for layer in self.layers:
            rows, tokens = layer(rows, placed, tokens, mask=mask)
        # Cut out the region that is wanted
        if region is not None:
            h, w = region.height, region.width
            rows = _rows(cut(rows.transpose(1, 2).view_as(image), region))
            placed = _rows(cut(position, region))
        # Cross-attend from the image to the tokens once more
        final = self.final_attn_image_to_token(rows + placed, tokens, tokens)
        rows = self.norm_final_attn(_summed(final, rows))
        out: Tensor = rows.view(b, h, w, c).permute(0, 3, 1, 2)
        return out


class PreciseInteractor(nn.Module):
    """Turns clicks where the mask is wrong into a better object feature.

    Source: Pi-SAM, Precise Interactor; an untrained one changes nothing (`out_cov` starts at 0).
    """

    img_pe: Tensor

    def __init__(self, dim: int, side: int) -> None:
        super().__init__()
        self.pe_layer = FourierPosition(dim)
        self.points_flag = nn.Embedding(2, dim)
        self.token_embed = nn.Sequential(
            nn.LayerNorm(3 * dim), MLP(3 * dim, 8 * dim, dim, 3), nn.LayerNorm(dim)
        )
        self.transformer = ImageQueryTransformer(dim)
        self.out_cov = nn.Conv2d(dim, dim, 3, padding=1)
        nn.init.zeros_(self.out_cov.weight)
        assert self.out_cov.bias is not None
        nn.init.zeros_(self.out_cov.bias)
        self.register_buffer("img_pe", self._dense_position(side))

    def _dense_position(self, side: int) -> Tensor:
        centres = (torch.arange(side, dtype=torch.float32) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        dense: Tensor = self.pe_layer(torch.stack([x, y], -1)).permute(2, 0, 1).contiguous()
        return dense

    def _position(self, corners: Tensor | None, side: int) -> Tensor:
        """The grid's positions (1, C, L, L), or those of squares of it (B, C, side, side)."""
        if corners is None:
            return self.img_pe.unsqueeze(0)
        places = [(int(row), int(column)) for row, column in corners]
        return torch.stack([self.img_pe[:, r : r + side, c : c + side] for r, c in places])

    def click_tokens(
        self,
        feature: Tensor,
        xy_unit: Tensor,
        labels: Tensor,
        *,
        corners: Tensor | None = None,
    ) -> Tensor:
        """(B, C, H, W), (B, K, 2), (B, K) 1 / 0 / -1 (padding) -> tokens (B, K, C).

        corners: see `forward`.
        """
        # Place the clicks within the feature that is given
        inside = xy_unit.float()
        if corners is not None:
            inside = inside * self.img_pe.shape[-1] - corners.flip(1).unsqueeze(1)
            inside = inside / feature.shape[-1]
        # Sample the object feature under each click
        at = F.grid_sample(feature.float(), (2 * inside - 1).unsqueeze(1), align_corners=False)
        point = at.squeeze(2).transpose(1, 2)
        # Embed sign and position, and project the three to one token
        flag = self.points_flag(labels.clamp(min=0).long())
        joined = torch.cat([point, flag, self.pe_layer(xy_unit)], -1)
        out: Tensor = self.token_embed(joined)
        return out

    def forward(
        self,
        feature: Tensor,
        output_token: Tensor,
        *,
        clicks_xy_unit: Tensor,
        click_labels: Tensor,
        corners: Tensor | None = None,
        region: Region | None = None,
    ) -> Tensor:
        """The corrected object feature.

        feature (B, C, H, W); output_token (B, 1, C); clicks_xy_unit (B, K, 2), x and y in 0..1 of
        the window; click_labels (B, K): 1 should be the object, 0 should not, -1 padding.
        corners, for a feature that is a square cut out of the window's grid: int (B, 2), row and
        column of its first cell; real clicks must lie in the square, positions stay the window's.
        region: the result is wanted there alone, (B, C, h, w); its values are the same.
        """
        # Turn clicks into tokens behind the output token
        clicks = self.click_tokens(feature, clicks_xy_unit, click_labels, corners=corners)
        tokens = torch.cat([output_token, clicks], 1)
        # Mask out padding
        mask = None
        if bool((click_labels < 0).any()):
            real = torch.cat([torch.ones_like(click_labels[:, :1]), click_labels], 1) >= 0
            mask = real.unsqueeze(1)
        # Grow the region by what the output convolution reads
        position = self._position(corners, feature.shape[-1])
        side = feature.shape[-1]
        whole = Region(0, 0, side, side)
        region = region or whole
        reach = grown(region, self.out_cov.kernel_size[0] // 2, side)
        within = None if reach == whole else reach
        # Run the transformer and add the change to the object feature
        image = self.transformer(feature, position, tokens, mask=mask, region=within)
        change = cut(self.out_cov(image), inside(region, reach))
        changed: Tensor = cut(feature, region) + change
        return changed
