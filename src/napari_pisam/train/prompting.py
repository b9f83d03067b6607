"""Prompts drawn for the objects of one step: clicks, boxes, rough masks, and their mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_pisam.geometry import rescaled
from napari_pisam.train.config import PROMPT_ODDS

DEPTH_SIDE = 128
"""Clicks are placed on masks reduced to this side: finer changes no prompt."""


PAINTED_LOGIT = 6.0
"""Logit of a painted pixel of a mask prompt, as in prediction."""


class DrawnPrompts(NamedTuple):
    """Prompts of N objects, all of one kind.

    points_xy_input float32 (N, P, 2), point_labels int64 (N, P), boxes_xyxy_input float32 (N, 4),
    mask_input float32 (N, 1, L, L) logits; None where the kind has none. ambiguous: one click
    alone, which may mean a part or the whole.
    """

    points_xy_input: Tensor | None
    point_labels: Tensor | None
    boxes_xyxy_input: Tensor | None
    mask_input: Tensor | None
    ambiguous: bool


def draw_prompts(
    masks: NDArray[np.uint8],
    rng: np.random.Generator,
    low: int,
    *,
    odds: Mapping[str, float] | None = None,
) -> DrawnPrompts:
    """One kind of prompt for all objects.

    masks: uint8 (N, S, S). low: side of a mask prompt. odds: of some kinds of PROMPT_ODDS, the
    others are not drawn; empty for all of them.
    """
    kind = int(rng.choice(len(PROMPT_ODDS), p=_shares(odds or PROMPT_ODDS)))
    points = labels = boxes = rough = None
    if kind in (0, 2, 4):
        count = 1 if kind != 2 else int(rng.integers(2, 5))
        drawn = [draw_points(m, count, rng) for m in masks]
        points = torch.from_numpy(np.stack([d[0] for d in drawn]))
        labels = torch.from_numpy(np.stack([d[1] for d in drawn]))
    if kind in (1, 3) or (kind == 2 and rng.random() < 0.3):
        boxes = torch.from_numpy(np.stack([draw_box(m, rng) for m in masks]))
    if kind in (3, 4, 5):
        rough = torch.from_numpy(np.stack([rough_mask(m, rng, low) for m in masks]))[:, None]
    return DrawnPrompts(points, labels, boxes, rough, ambiguous=bool(kind == 0))


def _shares(odds: Mapping[str, float]) -> list[float]:
    total = 1.0 if odds is PROMPT_ODDS else sum(odds.values())
    return [odds.get(name, 0.0) / total for name in PROMPT_ODDS]


def draw_points(
    mask: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """`count` points: the first on the object, the rest on it or near it.

    Returns (x, y) float32 (count, 2) in input pixels and labels int64 (count,), 1 object, 0 not.
    """
    # Reduce the mask, and measure how deep each pixel lies
    step = max(1, mask.shape[0] // DEPTH_SIDE)
    small = mask[step // 2 :: step, step // 2 :: step] > 127
    if not small.any():
        small = ndimage.maximum_filter(mask, step)[step // 2 :: step, step // 2 :: step] > 0
    depth = ndimage.distance_transform_edt(np.pad(small, 1))[1:-1, 1:-1]
    # Draw the points one by one
    xy, labels = [], []
    for i in range(count):
        beside = None if i == 0 or rng.random() < 0.5 else _near(small, rng)
        positive = beside is None
        y, x = beside or _inside(depth, rng, deepest=i == 0 and rng.random() < 0.5)
        jitter = rng.uniform(-0.5, 0.5, 2) if step > 1 else np.zeros(2)
        xy.append((rescaled(x + jitter[0] * 0.8, step), rescaled(y + jitter[1] * 0.8, step)))
        labels.append(int(positive))
    return np.array(xy, np.float32), np.array(labels, np.int64)


def _inside(
    depth: NDArray[np.float64], rng: np.random.Generator, *, deepest: bool
) -> tuple[int, int]:
    if deepest:
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        return int(y), int(x)
    # people rarely click at an object's edge: a share of the largest depth is required
    ys, xs = np.nonzero(depth >= min(depth.max() * rng.uniform(0.1, 0.7), depth.max()))
    i = rng.integers(len(ys))
    return int(ys[i]), int(xs[i])


def _near(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int] | None:
    """A pixel near the object and outside it; None when there is none."""
    ys, xs = np.nonzero(mask)
    pad = max(4, int(0.5 * max(np.ptp(ys), np.ptp(xs))))
    y0, x0 = max(int(ys.min()) - pad, 0), max(int(xs.min()) - pad, 0)
    outside = np.argwhere(~mask[y0 : int(ys.max()) + pad, x0 : int(xs.max()) + pad])
    if not len(outside):
        return None
    y, x = outside[rng.integers(len(outside))]
    return int(y) + y0, int(x) + x0


def draw_box(mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """The bounding box (x0, y0, x1, y1) in input pixels, as people draw it.

    Each side is moved by up to a tenth; of every third box all are moved outwards, up to 0.15.
    """
    rows, cols = np.flatnonzero((mask > 127).any(1)), np.flatnonzero((mask > 127).any(0))
    box = np.array([cols[0], rows[0], cols[-1], rows[-1]], np.float32)
    spread = np.array([box[2] - box[0], box[3] - box[1]] * 2, np.float32)
    noise = np.clip(rng.normal(0, 0.04, 4), -0.12, 0.12) * np.maximum(spread, 8)
    if rng.random() < 0.33:
        noise = rng.uniform(0, 0.15, 4) * np.maximum(spread, 8) * (-1, -1, 1, 1)
    moved: NDArray[np.float32] = (box + noise).astype(np.float32)
    return moved


def rough_mask(mask: NDArray[np.uint8], rng: np.random.Generator, low: int) -> NDArray[np.float32]:
    """The object as if painted by hand: logits float32 (low, low).

    Two of five are a label or a coarse result instead: exact or shifted, blurred, with a part of it
    missing, at the logit that prediction gives a painted pixel.
    """
    # Reduce the mask to the side of a mask prompt
    step = mask.shape[0] // low
    small = mask.reshape(low, step, low, step).mean((1, 3)) > 127
    if not small.any():
        small = mask.reshape(low, step, low, step).max((1, 3)) > 127
    if rng.random() < 0.4:
        return _coarse_mask(small, rng)
    # Make smooth noise as coarse as the object is large
    spread = max(1.0, np.sqrt(small.sum()) / 6)
    field = ndimage.gaussian_filter(rng.standard_normal((low, low)), spread)
    field /= field.std() + 1e-6
    # Move the contour by it
    signed = ndimage.distance_transform_edt(small) - ndimage.distance_transform_edt(~small)
    rough = signed + rng.uniform(0.2, 1.2) * spread * field + rng.normal(0, 0.5) * spread
    logits: NDArray[np.float32] = np.clip(rough * rng.uniform(1, 4), -10, 10).astype(np.float32)
    return logits


def _coarse_mask(small: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """A label or a coarse answer as a mask prompt: logits float32, the shape of `small`."""
    low, size = len(small), max(1.0, float(np.sqrt(small.sum())))
    given = small.astype(np.float32)
    if rng.random() < 0.6:
        shift = rng.normal(0, 0.06, 2) * size
        given = ndimage.shift(given, shift, order=1)
        given = ndimage.gaussian_filter(given, rng.uniform(0, 0.12) * size)
    if rng.random() < 0.3:
        rows, columns = np.nonzero(small)
        pick = rng.integers(len(rows))
        y, x = np.ogrid[:low, :low]
        near = (y - rows[pick]) ** 2 + (x - columns[pick]) ** 2
        given[near < (size * rng.uniform(0.1, 0.45)) ** 2] = 0
    out: NDArray[np.float32] = (2 * given - 1) * np.float32(PAINTED_LOGIT)
    return out
