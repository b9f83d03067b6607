"""Every number of the model, in one place: window, grid, widths, depths, names.

Sizes inside `model` follow from these; no other file writes 1024, 256 or 768.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EncoderKind = Literal["vit", "lite"]
DecoderKind = Literal["sam", "hq", "pi"]

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""SAM's mean of R, G, B on 0..255."""
PIXEL_STD = (58.395, 57.12, 57.375)
"""SAM's standard deviation of R, G, B on 0..255."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """An image encoder.

    width: channels of the early features (for a ViT, its width). reduction: by how much the window
    is reduced before the encoder sees it (fine detail then comes from the RGB embedding alone).
    early_stride: window pixels per cell of the early features. depth, heads, global_blocks: of a
    ViT (0 and empty for "lite").
    """

    kind: EncoderKind
    width: int
    early_stride: int = 16
    reduction: int = 1
    depth: int = 0
    heads: int = 0
    global_blocks: tuple[int, ...] = ()
    attention_window: int = 14


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One Pi-SAM: an encoder and the sizes of everything after it.

    window: side of the square the model sees, pixels; the high-resolution logits have the same
    size. stride: window pixels per cell of the embedding. dim: channels of the embedding.
    answers_again: a correction goes to SAM's decoder too, as one more point and with the previous
    mask as a mask prompt, before it goes to the interactor; the published models give corrections
    to the interactor alone.
    """

    name: str
    encoder: EncoderConfig
    window: int = 1024
    stride: int = 16
    dim: int = 256
    decoder_mlp: int = 2048
    decoder_heads: int = 8
    answers_again: bool = False

    @property
    def grid(self) -> int:
        """Cells of the embedding along a side."""
        return self.window // self.stride

    @property
    def low(self) -> int:
        """Side of the low-resolution logits, which is also that of a mask prompt."""
        return 4 * self.grid

    @property
    def feature(self) -> int:
        """Channels of the mask feature and of everything in the Pi modules."""
        return self.dim // 8


def _vit(
    name: str, width: int, depth: int, *, heads: int, global_blocks: tuple[int, ...]
) -> ModelConfig:
    encoder = EncoderConfig("vit", width, depth=depth, heads=heads, global_blocks=global_blocks)
    return ModelConfig(name=name, encoder=encoder)


CONFIGS = {
    c.name: c
    for c in (
        _vit("vit_b", 768, 12, heads=12, global_blocks=(2, 5, 8, 11)),
        _vit("vit_l", 1024, 24, heads=16, global_blocks=(5, 11, 17, 23)),
        _vit("vit_h", 1280, 32, heads=16, global_blocks=(7, 15, 23, 31)),
        ModelConfig(
            "tiny", EncoderConfig("lite", 48, 4, reduction=2), window=512, answers_again=True
        ),
        ModelConfig(
            "toy_vit",
            EncoderConfig("vit", 32, depth=2, heads=2, global_blocks=(1,), attention_window=3),
            window=64,
            dim=64,
            decoder_mlp=64,
            decoder_heads=4,
        ),
        ModelConfig(
            "toy",
            EncoderConfig("lite", 16, 4, reduction=2),
            window=64,
            dim=64,
            decoder_mlp=64,
            decoder_heads=4,
            answers_again=True,
        ),
    )
}
"""The known sizes by name; those named toy are 64-pixel models of the same classes, for tests."""


def config_of(name: str) -> ModelConfig:
    """The configuration of that name; ValueError that lists the names otherwise."""
    try:
        return CONFIGS[name]
    except KeyError:
        raise ValueError(
            f"There is no model size {name!r}; there are {', '.join(CONFIGS)}."
        ) from None
