"""Generated images with perfect truth: drawn objects in real and made-up textures, then optics.

Domain randomisation (Tobin et al., 2017): what stays the same in all of it is that an object is
what differs from its surroundings along its own outline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from napari_pisam.datasets.outlines import KINDS, Coverage, rasterised

Texture = Callable[[np.random.Generator], NDArray[np.uint8] | None]
"""A real image's pixels uint8 (3, S, S) for a random generator; None for a made-up texture."""
LEAST_AREA = 24
"""Pixels that an object shows at least."""
_MOST_TRIES = 50


@dataclass(frozen=True, eq=False)
class GeneratedScene:
    """pixels uint8 (3, S, S); masks uint8 (N, S, S), 0..255 for the covered share of a pixel."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def generated_scene(
    rng: np.random.Generator,
    size: int,
    *,
    objects: int,
    texture: Texture,
    kind: str | None = None,
) -> GeneratedScene:
    """A picture of side `size` with at most so many masks, of which the first fills its middle.

    texture: where real textures come from. kind: of KINDS, or None to draw one by its odds. The
    same generator state and textures give the same picture.
    """
    for _ in range(_MOST_TRIES):
        chosen = kind or _drawn_kind(rng)
        span = size * float(np.exp(rng.uniform(np.log(1 / 16), np.log(1.1))))
        outlines = KINDS[chosen][1](rng, size, span)
        shapes = [s for o in outlines if (s := rasterised(o, size)) is not None]
        order = rng.permutation(len(shapes))
        shown = _shown(shapes, order, size)
        asked = [i for i in range(len(shapes)) if (shown[i] > 127).sum() >= LEAST_AREA]
        if asked and asked[0] == 0:
            pixels = _painted([shapes[i] for i in order], rng, size, texture=texture)
            others = [int(i) for i in rng.permutation(asked[1:])[: objects - 1]]
            masks = np.stack([_whole(shapes[i], shown[i], size) for i in (0, *others)])
            return GeneratedScene(through_optics(pixels, rng), masks)
    raise ValueError(f"No object of kind {kind!r} shows in a picture of side {size}.")


def _drawn_kind(rng: np.random.Generator) -> str:
    odds = np.array([o for o, _ in KINDS.values()])
    return list(KINDS)[int(rng.choice(len(KINDS), p=odds / odds.sum()))]


def _shown(shapes: list[Coverage], order: NDArray[np.int64], size: int) -> list[NDArray[np.uint8]]:
    """What of each object the ones drawn after it leave, on its own rectangle."""
    free = np.full((size, size), 255, np.uint8)
    shown: dict[int, NDArray[np.uint8]] = {}
    for i in order[::-1]:
        shape = shapes[i]
        height, width = shape.share.shape
        left = free[shape.y : shape.y + height, shape.x : shape.x + width]
        shown[int(i)] = np.minimum(shape.share, left)
        left -= shown[int(i)]
    return [shown[i] for i in range(len(shapes))]


def _whole(shape: Coverage, shown: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    full = np.zeros((size, size), np.uint8)
    height, width = shown.shape
    full[shape.y : shape.y + height, shape.x : shape.x + width] = shown
    return full


def _painted(
    shapes: list[Coverage], rng: np.random.Generator, size: int, *, texture: Texture
) -> NDArray[np.uint8]:
    """The objects over a background, uint8 (S, S, 3)."""
    ground = _surface(rng, size, texture)
    inside = _surface(rng, size, texture)
    level = float(ground.mean())
    away = rng.choice((-1, 1)) * float(np.exp(rng.uniform(np.log(20), np.log(130))))
    if not 10 < level + away < 245:
        away = -away
    inside += level + away - float(inside.mean())
    spread = rng.uniform(0.05, 0.45) * abs(away)
    canvas = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    rim = away * rng.uniform(-0.8, 1.2) if rng.random() < 0.3 else 0.0
    for shape in shapes:
        height, width = shape.share.shape
        part = inside[shape.y : shape.y + height, shape.x : shape.x + width]
        part = part + np.float32(np.clip(rng.normal(0, spread), -0.6 * abs(away), 0.6 * abs(away)))
        mask = Image.fromarray(shape.share)
        if rim:
            edge = np.clip(part + rim, 0, 255).astype(np.uint8)
            canvas.paste(Image.fromarray(edge), (shape.x, shape.y), mask)
            mask = mask.filter(ImageFilter.MinFilter(2 * int(rng.integers(1, 4)) + 1))
        body = Image.fromarray(np.clip(part, 0, 255).astype(np.uint8))
        canvas.paste(body, (shape.x, shape.y), mask)
    return np.asarray(canvas)


def _surface(rng: np.random.Generator, size: int, texture: Texture) -> NDArray[np.float32]:
    """A texture float32 (S, S, 3), about 0..255: of a real image, or of noise at several scales."""
    real = texture(rng) if rng.random() < 0.55 else None
    if real is not None:
        values = real.transpose(1, 2, 0).astype(np.float32)
        mean = values.mean(dtype=np.float32)
        # a surface is quieter than a picture with objects of its own
        quiet: NDArray[np.float32] = mean + (values - mean) * np.float32(rng.uniform(0.1, 0.9))
        return quiet
    tone = rng.uniform(30, 225)
    grey = _clouds(rng, size)
    colour = np.zeros(3, np.float32)
    if rng.random() < 0.4:
        colour = rng.normal(0, 25, 3).astype(np.float32)
    out: NDArray[np.float32] = (
        np.float32(tone) + colour + grey[..., None] * np.float32(rng.uniform(0, 30))
    )
    return out


def _clouds(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Smooth noise (S, S) of unit deviation at one to three scales."""
    total = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        cells = max(2, int(size * np.exp(rng.uniform(np.log(1 / 128), np.log(1 / 3)))))
        small = Image.fromarray(rng.standard_normal((cells, cells), np.float32))
        total += np.asarray(small.resize((size, size), Image.Resampling.BICUBIC))
    out: NDArray[np.float32] = total / (total.std() + np.float32(1e-6))
    return out


def through_optics(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture as an instrument could have taken it; nothing in it moves.

    pixels: uint8 (S, S, 3). Point spread, shading, shot and read noise, scan lines, few grey
    levels and JPEG, each now and then. Returns uint8 (3, S, S).
    """
    picture = Image.fromarray(pixels)
    if rng.random() < 0.75:
        radius = rng.uniform(0.3, 1.2) if rng.random() < 0.8 else rng.uniform(1.2, 3)
        picture = picture.filter(ImageFilter.GaussianBlur(float(radius)))
    values = np.asarray(picture).astype(np.float32)
    size = len(values)
    if rng.random() < 0.4:
        small = Image.fromarray(rng.normal(1, rng.uniform(0.05, 0.25), (3, 3)).astype(np.float32))
        values *= np.asarray(small.resize((size, size), Image.Resampling.BICUBIC))[..., None]
    if rng.random() < 0.6:
        values += _noise(values, rng)
    if rng.random() < 0.12:
        lines = rng.normal(0, rng.uniform(1, 8), (size, 1, 1)).astype(np.float32)
        values += lines if rng.random() < 0.5 else lines.transpose(1, 0, 2)
    if rng.random() < 0.08:
        step = np.float32(2 ** rng.integers(2, 5))
        values = np.round(values / step) * step
    taken = np.clip(values, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        taken = _through_jpeg(taken, int(rng.integers(30, 90)))
    return np.ascontiguousarray(taken.transpose(2, 0, 1))


def _noise(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Read noise, and shot noise that grows with the root of the brightness."""
    channels = 3 if rng.random() < 0.3 else 1
    grains = rng.standard_normal((*values.shape[:2], channels), np.float32)
    read, shot = np.float32(rng.uniform(0.5, 10)), np.float32(rng.uniform(0, 1))
    brightness = values.mean(2, keepdims=True) if channels == 1 else values
    out: NDArray[np.float32] = grains * (read + shot * np.sqrt(np.clip(brightness, 0, None)))
    return out


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
