"""Weights and inputs drawn from their names, so that golden vectors need no checkpoint."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _draw(name: str, shape: tuple[int, ...], tag: str) -> NDArray[np.float32]:
    values = _generator(f"{tag}:{name}").standard_normal(shape, dtype=np.float32)
    if "gaussian_matrix" in name:
        return values
    if len(shape) >= 2:
        values *= 1.2 / np.sqrt(np.prod(shape[1:]))
        return values
    offset = 1.0 if name.endswith("weight") else 0.0
    drawn: NDArray[np.float32] = values * 0.05 + offset
    return drawn


def seeded_weights(state: Mapping[str, Tensor], tag: str) -> dict[str, Tensor]:
    """The same names, filled; the dense positional encoding follows from its gaussian matrix."""
    filled = {
        name: torch.from_numpy(_draw(name, tuple(value.shape), tag))
        if torch.is_floating_point(value) and "laplacian_kernel" not in name
        else value.clone()
        for name, value in state.items()
    }
    for name in [n for n in filled if n.endswith("img_pe")]:
        matrix = name.replace("img_pe", "pe_layer.positional_encoding_gaussian_matrix")
        side = filled[name].shape[-1]
        centres = (torch.arange(side, dtype=torch.float32) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        phase = 2 * math.pi * ((2 * torch.stack([x, y], -1) - 1) @ filled[matrix])
        both = torch.cat([phase.sin(), phase.cos()], -1)
        filled[name] = both.permute(2, 0, 1).contiguous()
    return filled


def seeded_inputs(case: str, width: int, batch: int) -> dict[str, Tensor]:
    """Decoder inputs by the names of PiDecoder.forward, float32."""
    generator = _generator(f"case:{case}")

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        values = generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        return torch.from_numpy(values)

    # the order of the draws is part of the recipe
    return {
        "image_embeddings": draw(batch, 256, 64, 64, scale=0.3),
        "early_features": draw(batch, 64, 64, width, scale=0.5),
        "rgb": draw(batch, 8, 1024, 1024, scale=0.5),
        "image_pe": draw(1, 256, 64, 64),
        "sparse": draw(batch, 2, 256),
        "dense": draw(batch, 256, 64, 64, scale=0.1),
    }


def seeded_image(case: str) -> NDArray[np.uint8]:
    """uint8 (1024, 1024, 3) of random 16-pixel squares."""
    squares = _generator(f"image:{case}").integers(0, 256, (64, 64, 3))
    return np.kron(squares, np.ones((16, 16, 1))).astype(np.uint8)
