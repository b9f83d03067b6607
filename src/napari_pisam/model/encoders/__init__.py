"""Image encoders: pixels -> an embedding and early features."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from napari_pisam.model.attention import encode as encode_vit
from napari_pisam.model.config import ModelConfig
from napari_pisam.model.encoders.lite import LiteEncoder
from napari_pisam.model.encoders.vit import build_vit

__all__ = ["Encoded", "LiteEncoder", "build_encoder", "build_vit", "encode"]


class Encoded(NamedTuple):
    """embedding (B, dim, g, g) and early features (B, h, w, width), channels last."""

    embedding: Tensor
    early: Tensor


def build_encoder(config: ModelConfig) -> nn.Module:
    """An encoder with torch's default initialisation."""
    return build_vit(config) if config.encoder.kind == "vit" else LiteEncoder(config)


def encode(encoder: nn.Module, pixels: Tensor) -> Encoded:
    """Run any encoder on normalised pixels (B, 3, S, S)."""
    if isinstance(encoder, LiteEncoder):
        return Encoded(*encoder(pixels))
    return Encoded(*encode_vit(encoder, pixels))
