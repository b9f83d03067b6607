"""Small layers that several parts of the model share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model import sam
from napari_pisam.model.config import PIXEL_MEAN, PIXEL_STD
from napari_pisam.model.deform import deform_conv

__all__ = [
    "DeformableConv",
    "LayerNorm2d",
    "normalise",
    "rgb_embedding",
    "rgb_of_pixels",
    "upscale",
]


_FEW_CHANNELS = 16
"""Up to so many channels torch's norm, pixel by pixel, does not fill a CPU's vector registers."""


class LayerNorm2d(sam.LayerNorm2d):  # type: ignore[misc]  # the package is untyped
    """SAM's norm over channels: (B, C, H, W) -> the same, channels last in memory.

    In one pass, and what follows reads and writes channels last too. Of few channels, on a CPU and
    without a gradient, the means are taken by 1 x 1 convolutions, which are quicker there.
    """

    def forward(self, x: Tensor) -> Tensor:
        few = x.shape[1] <= _FEW_CHANNELS and x.device.type == "cpu"
        if few and not torch.is_grad_enabled():
            with torch.autocast("cpu", enabled=False):
                return self._by_convolutions(x.float()).to(x.dtype)
        rows = x.permute(0, 2, 3, 1)
        rows = F.layer_norm(rows, rows.shape[-1:], self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)

    def _by_convolutions(self, x: Tensor) -> Tensor:
        # Subtract the mean over channels
        n = x.shape[1]
        mean = x.new_full((n, n, 1, 1), 1 / n)
        centring = torch.eye(n, dtype=x.dtype).view(n, n, 1, 1) - mean
        centred = F.conv2d(x.contiguous(memory_format=torch.channels_last), centring)
        # Divide by the standard deviation, then scale and shift
        scale = F.conv2d(centred.square(), mean, x.new_full((n,), self.eps)).rsqrt_()
        weight, bias = self.weight.view(-1, 1, 1), self.bias.view(-1, 1, 1)
        return torch.addcmul(bias, centred.mul_(scale), weight)


def normalise(pixels: Tensor) -> Tensor:
    """SAM's normalisation: (B, 3, H, W) RGB 0..255 of any dtype -> float32, same shape."""
    mean = torch.tensor(PIXEL_MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.to(torch.float32) - mean) / std


def rgb_embedding() -> nn.Sequential:
    """Full-resolution detail: (B, 3, S, S) normalised -> (B, 8, S, S).

    Source: Pi-SAM, RGB embedding of the high-resolution mask decoder.
    """
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1))


def rgb_of_pixels(embedding: nn.Sequential, pixels: Tensor) -> Tensor:
    """`embedding` of `normalise(pixels)`, the normalisation taken into its first convolution.

    pixels (B, 3, h, w): RGB 0..255 of any dtype -> (B, 8, h, w).
    """
    point, mix = embedding
    assert isinstance(point, nn.Conv2d)
    assert point.bias is not None
    mean, std = (point.weight.new_tensor(v).view(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    weight = point.weight / std
    bias = point.bias - (weight * mean).sum((1, 2, 3))
    out: Tensor = mix(F.conv2d(pixels.to(weight.dtype), weight, bias))
    return out


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

    Sources: Pi-SAM, Object Embedder; Zhu et al., Deformable ConvNets v2 (2019).
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

    def moves(self, x: Tensor, padding: int) -> tuple[Tensor, Tensor]:
        """Offsets (B, 2 k k, h, w) and modulators (B, k k, h, w), by one convolution for both.

        x (B, C, H, W) and the zeros that `padding` adds: h = H + 2 padding - k + 1, w alike.
        """
        # Join both convolutions
        convs = (self.offset_conv, self.modulator_conv)
        weight = torch.cat([conv.weight for conv in convs])
        bias = torch.cat([conv.bias for conv in convs if conv.bias is not None])
        both = F.conv2d(x, weight, bias, padding=padding)
        # Split offsets from modulators
        taps = self.modulator_conv.out_channels
        offset, modulator = both[:, : 2 * taps], both[:, 2 * taps :]
        return offset, 2.0 * torch.sigmoid(modulator)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        offset, modulator = self.moves(x, self.padding)
        weight = self.regular_conv.weight
        return deform_conv(x, offset, modulator, weight=weight, padding=self.padding)
