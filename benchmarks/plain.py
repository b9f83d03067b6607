"""The published program's steps, plainly: stock encoder, torchvision's deformable convolution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from napari_pisam.model import layers
from napari_pisam.model.config import config_of
from napari_pisam.model.decoder import Masks
from napari_pisam.model.pisam import PiSam


def _torchvision(
    x: Tensor, offset: Tensor, modulator: Tensor, weight: Tensor, *, padding: int
) -> Tensor:
    out: Tensor = deform_conv2d(x, offset, weight, padding=padding, mask=modulator)
    return out


@contextmanager
def torchvision_deform() -> Iterator[None]:
    """The model's layers with torchvision's kernel in the place of ours."""
    with patch.object(layers, "deform_conv", _torchvision):
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
    with torchvision_deform():
        masks: Masks = model.mask_decoder(
            *encoded,
            rgb,
            model.dense_pe(),
            sparse,
            dense,
            clicks_xy_unit=xy if clicks else None,
            click_labels=torch.ones(1, clicks, dtype=torch.long) if clicks else None,
        )
    return masks
