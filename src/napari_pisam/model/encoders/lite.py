"""The light encoder of pisam-tiny: EfficientNet-Lite0 and a feature pyramid.

Sources: Tan & Le, EfficientNet (2019), in the "lite" form without squeeze-and-excitation and with
ReLU6; Lin et al., Feature Pyramid Networks (2017). Stands in for SAM's ViT: the same two outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_pisam.model.config import ModelConfig
from napari_pisam.model.layers import LayerNorm2d


@dataclass(frozen=True, slots=True)
class _Stage:
    """One row of the network's table."""

    expand: int
    channels: int
    depth: int
    stride: int
    kernel: int


_STEM = 32
_STAGES = (
    _Stage(1, 16, 1, 1, 3),
    _Stage(6, 24, 2, 2, 3),
    _Stage(6, 40, 2, 2, 5),
    _Stage(6, 80, 3, 2, 3),
    _Stage(6, 112, 3, 1, 5),
    _Stage(6, 192, 4, 2, 5),
    _Stage(6, 320, 1, 1, 3),
)
_LEVELS = (0, 1, 2, 4, 6)
"""Stages whose outputs the pyramid reads: strides 2, 4, 8, 16, 32."""


class _ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU6 if asked; stride 2 pads as TensorFlow's SAME does."""

    def __init__(
        self, inward: int, outward: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        conv = nn.Conv2d(
            inward, outward, kernel, stride=stride, padding=padding, groups=groups, bias=False
        )
        super().__init__(conv, nn.BatchNorm2d(outward, eps=1e-3))
        self.same = (kernel - 2) // 2 if stride == 2 else 0
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            x = F.pad(x, (self.same, self.same + 1, self.same, self.same + 1))
        conv, norm = self
        assert isinstance(conv, nn.Conv2d)
        if conv.groups > 1 and x.device.type == "cpu" and torch.is_grad_enabled():
            # oneDNN's gradient of a depthwise convolution is four times slower in bf16
            with torch.autocast("cpu", enabled=False):
                out: Tensor = norm(conv(x.float()))
        else:
            out = norm(conv(x))
        return out

    @torch.no_grad()
    def fold(self) -> None:
        """Take the norm into the convolution, in place; doing it twice is harmless."""
        conv, norm = self
        assert isinstance(conv, nn.Conv2d)
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            weight, bias = fuse_conv_bn_weights(
                conv.weight,
                conv.bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
            conv.weight, conv.bias = weight, bias
            self[1] = nn.Identity()


class _InvertedResidual(nn.Module):
    def __init__(self, inward: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        middle = inward * stage.expand
        self.expand = _ConvNorm(inward, middle, 1) if stage.expand > 1 else nn.Identity()
        self.depthwise = _ConvNorm(middle, middle, stage.kernel, stride=stride, groups=middle)
        self.project = _ConvNorm(middle, stage.channels, 1)
        self.expands = stage.expand > 1
        self.residual = stride == 1 and inward == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        # Expand, filter each channel, project
        y = F.relu6(self.expand(x), inplace=True) if self.expands else x
        y = F.relu6(self.depthwise(y), inplace=True)
        y = self.project(y)
        out: Tensor = x + y if self.residual else y
        return out


class Backbone(nn.Module):
    """EfficientNet-Lite0 without its classifier, in the published order of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvNorm(3, _STEM, 3, stride=2)
        stages: list[nn.Module] = []
        inward = _STEM
        for stage in _STAGES:
            blocks = []
            for i in range(stage.depth):
                blocks.append(_InvertedResidual(inward, stage, stage.stride if i == 0 else 1))
                inward = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, S, S) -> features of strides 2, 4, 8, 16, 32."""
        x = F.relu6(self.stem(x), inplace=True)
        kept = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _LEVELS:
                kept.append(x)
        return kept


class LiteEncoder(nn.Module):
    """Pixels, reduced by two, -> embedding of stride 16 and early features of stride 4.

    Strides count window pixels; the backbone itself sees an image of half the side.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        pyramid, width = 160, config.encoder.width
        self.reduction = config.encoder.reduction
        self.backbone = Backbone()
        fine, edge, *coarse = [_STAGES[i].channels for i in _LEVELS]
        self.lateral = nn.ModuleList(nn.Conv2d(c, pyramid, 1) for c in coarse)
        self.smooth = nn.Conv2d(pyramid, config.dim, 3, padding=1)
        self.neck = nn.Sequential(
            LayerNorm2d(config.dim),
            nn.GELU(),
            nn.Conv2d(config.dim, config.dim, 3, padding=1),
        )
        self.norm = LayerNorm2d(config.dim)
        self.edge_lateral = nn.Conv2d(edge, width, 1)
        self.edge_top = nn.Conv2d(config.dim, width, 1)
        self.edge_smooth = nn.Conv2d(width, width, 3, padding=1)
        self.fine_lateral = nn.Conv2d(fine, width, 1)

    def fold_norms(self) -> None:
        """Take the backbone's norms into its convolutions, for inference alone, in place.

        The outputs are the same to rounding; the names of the weights are not.
        """
        for module in self.backbone.modules():
            if isinstance(module, _ConvNorm):
                module.fold()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised (B, 3, S, S) -> (B, dim, S/16, S/16), (B, S/4, S/4, width) channels last."""
        # Extract features of five strides from the reduced pixels
        c1, c2, c3, c4, c5 = self.backbone(F.avg_pool2d(pixels, self.reduction))
        # Merge the three coarsest from the top down
        p5 = self.lateral[2](c5)
        p4 = self.lateral[1](c4) + F.interpolate(p5, size=c4.shape[2:])
        p3 = self.smooth(self.lateral[0](c3) + F.interpolate(p4, size=c3.shape[2:]))
        # Make the embedding
        embedding = self.norm(p3 + self.neck(p3))
        # Add the two finest for the early features
        edge = self.edge_lateral(c2) + _grown(self.edge_top(p3), c2)
        early = self.fine_lateral(c1) + _grown(self.edge_smooth(F.gelu(edge)), c1)
        return embedding, early.permute(0, 2, 3, 1)


def _grown(x: Tensor, like: Tensor) -> Tensor:
    """x brought to the side of another map, bilinear."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
