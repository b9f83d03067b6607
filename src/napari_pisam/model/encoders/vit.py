"""SAM's ViT of the `segment-anything` package."""

from __future__ import annotations

from functools import partial

import torch

from napari_pisam.model.config import ModelConfig
from napari_pisam.model.sam import ImageEncoderViT


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
