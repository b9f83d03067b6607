"""Augmentation: turns, flips, and changes of brightness, colour and noise as of a microscope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def dihedral(array: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """One of the eight turns and flips of a square, turn 0..7; (..., rows, columns)."""
    out = np.rot90(array, turn % 4, axes=(-2, -1))
    return np.ascontiguousarray(out[..., ::-1] if turn >= 4 else out)


def mirrored(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Left and right exchanged, (..., rows, columns)."""
    return np.ascontiguousarray(array[..., ::-1])


def photometric(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma, contrast, brightness, inversion, colour, blur and noise, each with some probability.

    pixels: uint8 (3, S, S). Returns the same shape.
    """
    # Change gamma
    x: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(255)
    if rng.random() < 0.5:
        x = x ** np.float32(np.exp(rng.normal(0, 0.35)))
    # Change contrast and brightness
    if rng.random() < 0.5:
        x = (x - 0.5) * np.float32(np.exp(rng.normal(0, 0.25))) + np.float32(
            0.5 + rng.normal(0, 0.08)
        )
    # Invert, and change colours
    if rng.random() < 0.12:
        x = 1 - x
    x = _colour(x, rng)
    # Blur
    if rng.random() < 0.2:
        x = ndimage.gaussian_filter(x, (0, *[rng.uniform(0.4, 1.8)] * 2))
    # Add noise
    if rng.random() < 0.3:
        noise = rng.standard_normal(x.shape if rng.random() < 0.3 else x.shape[1:], np.float32)
        x = x + noise * np.float32(rng.uniform(0.01, 0.1))
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colour(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    kind = rng.random()
    if kind < 0.15:
        return np.broadcast_to(x.mean(0, keepdims=True), x.shape).copy()
    if kind < 0.25:
        return x[rng.permutation(3)]
    if kind < 0.40:
        tint = np.exp(rng.normal(0, 0.3, (3, 1, 1))).astype(np.float32)
        return x * tint
    return x
