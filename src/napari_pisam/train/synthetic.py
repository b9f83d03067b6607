"""Thin structures drawn over real textures: filaments, branching vessels, meshes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

OVERSAMPLE = 2


def _filament(rng: np.random.Generator, size: int) -> list[tuple[float, float]]:
    """A smooth random walk across the square: points (x, y) in pixels."""
    steps = int(rng.integers(30, 90))
    angle = rng.uniform(0, 2 * np.pi)
    turns = ndimage.gaussian_filter1d(rng.normal(0, 0.5, steps), rng.uniform(1, 6))
    angles = angle + np.cumsum(turns)
    start = rng.uniform(0.15, 0.85, 2) * size
    path = start + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0) * size / 60
    return [(float(x), float(y)) for x, y in path]


def _strokes(rng: np.random.Generator, size: int) -> list[tuple[list[tuple[float, float]], float]]:
    """One object: (path, width) of a filament, a vessel with branches, or a mesh."""
    width = float(np.exp(rng.uniform(np.log(3), np.log(18))))
    kind = rng.random()
    trunk = _filament(rng, size)
    if kind < 0.45:
        return [(trunk, width)]
    if kind < 0.8:
        strokes = [(trunk, width)]
        for _ in range(int(rng.integers(2, 6))):
            branch = np.array(_filament(rng, size))
            joint = np.array(trunk[int(rng.integers(len(trunk)))])
            branch = (branch - branch[0]) * rng.uniform(0.2, 0.7) + joint
            strokes.append(
                ([(float(x), float(y)) for x, y in branch], width * rng.uniform(0.4, 0.8))
            )
        return strokes
    return _mesh(rng, size, width)


def _mesh(
    rng: np.random.Generator, size: int, width: float
) -> list[tuple[list[tuple[float, float]], float]]:
    """Jittered grid lines over a part of the square."""
    n = int(rng.integers(3, 7))
    origin, side = rng.uniform(0.05, 0.35, 2) * size, rng.uniform(0.35, 0.6) * size
    steps = np.linspace(0, side, n)
    nodes = (
        np.stack(np.meshgrid(steps, steps), -1) + rng.normal(0, side / n / 6, (n, n, 2)) + origin
    )
    lines = [*nodes, *nodes.transpose(1, 0, 2)]
    return [([(float(x), float(y)) for x, y in line], width * 0.7) for line in lines]


def thin_structures(
    pixels: NDArray[np.uint8], rng: np.random.Generator, *, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a few thin objects over a texture.

    pixels: uint8 (3, S, S). Returns the new pixels and masks uint8 (n, S, S), 1 <= n <= count,
    0..255 for the covered share of a pixel; later objects lie over earlier ones.
    """
    size = pixels.shape[-1]
    # Choose a brightness unlike the texture's
    image = pixels.astype(np.float32)
    tone = image.reshape(3, -1).mean(1) + rng.choice((-1, 1)) * rng.uniform(40, 120)
    masks: list[NDArray[np.float32]] = []
    for _ in range(int(rng.integers(1, min(count, 4) + 1))):
        # Draw the object enlarged, and reduce it to the covered share of each pixel
        enlarged = Image.new("L", (size * OVERSAMPLE, size * OVERSAMPLE))
        draw = ImageDraw.Draw(enlarged)
        for path, width in _strokes(rng, size):
            points = [(x * OVERSAMPLE, y * OVERSAMPLE) for x, y in path]
            draw.line(points, fill=255, width=max(2, round(width * OVERSAMPLE)), joint="curve")
        drawn = enlarged.resize((size, size), Image.Resampling.BOX)
        alpha: NDArray[np.float32] = np.asarray(drawn, np.float32) / np.float32(255)
        if (alpha > 0.5).sum() < 64:
            continue
        # Blend it over the image, over earlier objects too
        texture = ndimage.gaussian_filter(rng.standard_normal((size, size)), 2).astype(np.float32)
        shade = tone[:, None, None] + rng.uniform(0, 60) * texture
        soft = ndimage.gaussian_filter(alpha, rng.uniform(0, 1.2))
        image = image * (1 - soft) + shade * soft
        masks = [m * (1 - alpha) for m in masks] + [alpha]
    kept = [m for m in masks if (m > 0.5).sum() >= 64]
    if not kept:
        return thin_structures(pixels, rng, count=count)
    stacked = np.stack([(m * 255 + 0.5).astype(np.uint8) for m in kept])
    return np.clip(image, 0, 255).astype(np.uint8), stacked
