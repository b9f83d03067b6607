"""The Pi modules evaluated only where the object can be, exact there.

An object fills a small part of the window. Outside the rectangle that the low-resolution mask and
the prompts span, its probability is below one per cent, and the low-resolution mask is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_pisam.model.cells import cut, grown, inside, strips
from napari_pisam.model.decoder import ObjectEmbedder, PiDecoder
from napari_pisam.model.deform import Region, deform_conv_region
from napari_pisam.model.layers import DeformableConv, rgb_of_pixels

UNLIKELY_LOGIT = -4.595
"""Logit of a probability of one per cent."""
PROMPT_MARGIN = 2
"""Cells kept round every prompt and round the likely mask."""
HEAD_MARGIN = 1
"""Cells that the head needs beyond its result: its two 3 x 3 convolutions and that of the RGB
embedding reach three pixels, a cell has four."""
WHOLE_SHARE = 0.7
"""From this share of the window on, cutting out saves nothing."""
_HEAD_VALUES = {"cpu": 2**20}
"""Values of one of the head's layers made at a time on a device: what its caches hold, so that a
strip goes through all layers before it goes to memory. Elsewhere, all of them."""


def answer_region(low_res_logits: Tensor, points_xy_unit: Tensor) -> Region | None:
    """The cells where the object can be, or None for the whole window.

    low_res_logits (1, 1, L, L); points_xy_unit (N, 2): every point of the prompt and every
    correction, x and y in 0..1 of the window. None too where no cell is likely.
    """
    # Find the likely cells
    side = low_res_logits.shape[-1]
    likely = low_res_logits[0, 0] > UNLIKELY_LOGIT
    if not bool(likely.any()):
        return None
    # Span them and every point of the prompt, with a margin
    rows, columns = likely.any(1).nonzero().flatten(), likely.any(0).nonzero().flatten()
    cells = (points_xy_unit.cpu() * side).floor().clamp(0, side - 1).long()
    xs = [int(columns[0]), int(columns[-1]), *cells[:, 0].tolist()]
    ys = [int(rows[0]), int(rows[-1]), *cells[:, 1].tolist()]
    top, left = max(min(ys) - PROMPT_MARGIN, 0), max(min(xs) - PROMPT_MARGIN, 0)
    bottom = min(max(ys) + PROMPT_MARGIN + 1, side)
    right = min(max(xs) + PROMPT_MARGIN + 1, side)
    if (bottom - top) * (right - left) > WHOLE_SHARE * side * side:
        return None
    return Region(top, left, bottom - top, right - left)


def _with_margin(x: Tensor, region: Region, margin: int) -> Tensor:
    """The rectangle and `margin` cells round it, zeros beyond the window."""
    # Cut what lies in the window, and pad the rest with zeros
    side = x.shape[-1]
    inner = grown(region, margin, side)
    before_y, before_x = region.top - inner.top, region.left - inner.left
    after_y = inner.top + inner.height - region.top - region.height
    after_x = inner.left + inner.width - region.left - region.width
    pad = (margin - before_x, margin - after_x, margin - before_y, margin - after_y)
    return F.pad(cut(x, inner), pad)


def _deformed(conv: DeformableConv, x: Tensor, region: Region) -> Tensor:
    offset, modulator = conv.moves(_with_margin(x, region, conv.padding), 0)
    weight = conv.regular_conv.weight
    return deform_conv_region(
        x, offset, modulator, weight=weight, padding=conv.padding, region=region
    )


def object_feature_on(embedder: ObjectEmbedder, x: Tensor, region: Region) -> Tensor:
    """The rectangle of the Object Embedder's result (1, C, h, w), exact.

    x: what `embedder.start` makes of the whole window, where the deformable samples reach anywhere.
    """
    parts = [cut(x, region)]
    for branch in (embedder.aspp1, embedder.aspp2):
        deformable, norm, activation = branch.atrous_conv
        assert isinstance(deformable, DeformableConv)
        parts.append(activation(norm(_deformed(deformable, x, region))))
    out: Tensor = embedder.conv_out(torch.cat(parts, 1))
    return out


def head_on(
    decoder: PiDecoder, feature: Tensor, pixels: Tensor, *, region: Region, margins: Region
) -> Tensor:
    """The head's logits on `region` (1, 1, 4 h, 4 w), float32, exact; strip by strip.

    feature: the object feature on `margins`, which is `region` grown by HEAD_MARGIN cells;
    pixels (1, 3, S, S): the window's, RGB 0..255.
    """
    side = decoder.config.low
    scale = pixels.shape[-1] // side
    shape = (len(feature), 1, region.height * scale, region.width * scale)
    out = torch.empty(shape, dtype=torch.float32, device=feature.device)
    for strip in strips(region, _rows_of_strip(decoder, margins, feature.device.type)):
        # Embed the strip's pixels with the margin that the head reads
        around = grown(strip, HEAD_MARGIN, side)
        rgb = rgb_of_pixels(decoder.rgb_embed, cut(pixels, around, scale))
        # Evaluate the head and keep what the strip's edge does not disturb
        logits = decoder.head(cut(feature, inside(around, margins)), rgb)
        place = cut(out, inside(strip, region), scale)
        place.copy_(cut(logits, inside(strip, around), scale))
    return out


def _rows_of_strip(decoder: PiDecoder, margins: Region, device: str) -> int:
    """Rows of cells that the head is evaluated on at a time."""
    if device not in _HEAD_VALUES:
        return margins.height
    scale = decoder.config.window // decoder.config.low
    row = decoder.head_channels * scale**2 * margins.width
    return max(_HEAD_VALUES[device] // row - 2 * HEAD_MARGIN, 2 * HEAD_MARGIN)


def laid_over(low_res_logits: Tensor, part: Tensor, region: Region, *, size: int) -> Tensor:
    """The low-resolution mask, enlarged, with `part` in its place: (1, 1, size, size)."""
    whole = F.interpolate(low_res_logits.float(), (size, size), mode="bilinear")
    scale = size // low_res_logits.shape[-1]
    cut(whole, region, scale).copy_(part)
    return whole
