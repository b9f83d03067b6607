"""SAM's ViT of the `segment-anything` package, and its early features."""

from __future__ import annotations

from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor

from napari_pisam.model.config import ModelConfig


def build_vit(config: ModelConfig) -> ImageEncoderViT:
    """ImageEncoderViT of that size, with torch's default initialisation."""
    e = config.encoder
    return ImageEncoderViT(
        depth=e.depth,
        embed_dim=e.width,
        img_size=config.window,
        mlp_ratio=4,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        num_heads=e.heads,
        patch_size=config.stride,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=e.global_blocks,
        window_size=e.attention_window,
        out_chans=config.dim,
    )


def encode_vit(encoder: ImageEncoderViT, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised pixels (B, 3, S, S) -> embedding (B, dim, g, g), early (B, g, g, width).

    Early features are the output of the first block with global attention. Spec section 1.
    """
    x = encoder.patch_embed(pixels)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    early = None
    for block in encoder.blocks:
        x = block(x)
        if early is None and block.window_size == 0:
            early = x
    if early is None:
        raise ValueError("This encoder has no block with global attention.")
    return encoder.neck(x.permute(0, 3, 1, 2)), early
