"""The published program's steps, plainly: stock encoder, torchvision's deformable convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from napari_pisam.model import sam
from napari_pisam.model.config import config_of
from napari_pisam.model.decoder import Masks
from napari_pisam.model.interactor import Attention
from napari_pisam.model.layers import DeformableConv, LayerNorm2d
from napari_pisam.model.pisam import PiSam


def _norm(self: LayerNorm2d, x: Tensor) -> Tensor:
    out: Tensor = sam.LayerNorm2d.forward(self, x)
    return out


def _deformable(self: DeformableConv, x: Tensor) -> Tensor:
    modulator = 2 * torch.sigmoid(self.modulator_conv(x))
    weight, offset = self.regular_conv.weight, self.offset_conv(x)
    out: Tensor = deform_conv2d(x, offset, weight, padding=self.padding, mask=modulator)
    return out


def _attention(self: Attention, q: Tensor, k: Tensor, v: Tensor, mask: object = None) -> Tensor:
    assert mask is None
    q, k, v = self.q_proj(q), self.k_proj(k), self.v_proj(v)
    weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1)
    out: Tensor = self.out_proj(weights @ v)
    return out


@contextmanager
def plain_layers() -> Iterator[None]:
    """The model's layers as they are published, in the place of our quicker ones."""
    with (
        patch.object(LayerNorm2d, "forward", _norm),
        patch.object(DeformableConv, "forward", _deformable),
        patch.object(Attention, "forward", _attention),
    ):
        yield


def random_pisam(encoder: str) -> PiSam:
    """A whole model of that size with the same random weights in every process."""
    torch.manual_seed(0)
    model = PiSam(config_of(encoder), "pi").eval()
    return model.requires_grad_(False)


def published_decode(
    model: PiSam, encoded: tuple[Tensor, Tensor], rgb: Tensor, clicks: int
) -> Masks:
    """Everything after the encoder, anew, as the published program does for each click."""
    side = model.config.window
    point = torch.full((1, 1, 2), side / 2)
    sparse, dense = model.encode_prompts(
        points_xy_input=point, point_labels=torch.ones(1, 1, dtype=torch.long)
    )
    xy = torch.linspace(0.3, 0.7, max(clicks, 1)).view(1, -1, 1).expand(-1, -1, 2)
    with plain_layers():
        masks: Masks = model.mask_decoder(
            *encoded,
            rgb,
            image_pe=model.dense_pe(),
            sparse=sparse,
            dense=dense,
            clicks_xy_unit=xy if clicks else None,
            click_labels=torch.ones(1, clicks, dtype=torch.long) if clicks else None,
        )
    return masks
