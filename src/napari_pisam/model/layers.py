"""Small layers that several parts of the model share."""

from __future__ import annotations

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

from napari_pisam.model.config import PIXEL_MEAN, PIXEL_STD
from napari_pisam.model.deform import deform_conv

__all__ = ["DeformableConv", "LayerNorm2d", "normalise", "rgb_embedding", "upscale"]


def normalise(pixels: Tensor) -> Tensor:
    """SAM's normalisation: (B, 3, H, W) RGB 0..255 of any dtype -> float32, same shape."""
    mean = torch.tensor(PIXEL_MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.to(torch.float32) - mean) / std


def rgb_embedding() -> nn.Sequential:
    """Full-resolution detail: (B, 3, S, S) normalised -> (B, 8, S, S). Spec section 2."""
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1))


def upscale(inward: int, middle: int, outward: int) -> nn.Sequential:
    """Two transposed convolutions, each doubling the side, with norm and GELU between."""
    return nn.Sequential(
        nn.ConvTranspose2d(inward, middle, kernel_size=2, stride=2),
        LayerNorm2d(middle),
        nn.GELU(),
        nn.ConvTranspose2d(middle, outward, kernel_size=2, stride=2),
    )


class DeformableConv(nn.Module):
    """A modulated deformable convolution that starts as a plain one (offsets 0, modulation 1).

    Source: Pi-SAM's Object Embedder, spec section 4; Deformable ConvNets v2.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.padding = kernel // 2
        taps = kernel * kernel
        self.offset_conv = nn.Conv2d(channels, 2 * taps, kernel, padding=self.padding)
        self.modulator_conv = nn.Conv2d(channels, taps, kernel, padding=self.padding)
        self.regular_conv = nn.Conv2d(channels, channels, kernel, padding=self.padding, bias=False)
        for conv in (self.offset_conv, self.modulator_conv):
            nn.init.zeros_(conv.weight)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        offset = self.offset_conv(x)
        modulator = 2.0 * torch.sigmoid(self.modulator_conv(x))
        return deform_conv(x, offset, modulator, self.regular_conv.weight, padding=self.padding)
