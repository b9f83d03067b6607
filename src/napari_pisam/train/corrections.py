"""Prompts made from a prediction: clicks on its errors, and its own mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_pisam.geometry import input_of_unit, unit_of_input
from napari_pisam.model.pisam import as_mask_prompt
from napari_pisam.simulate import error_clicks
from napari_pisam.train.prompting import DrawnPrompts

Clicks = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Of one object: (x, y) float32 (K, 2) in 0..1 of the window, labels int64 (K,)."""


class Corrections(NamedTuple):
    """Correction clicks of N objects, in their order.

    xy_unit: float32 (N, K, 2), x and y in 0..1 of the window; labels: int64 (N, K), 1 adds, 0
    takes away, -1 padding.
    """

    xy_unit: Tensor
    labels: Tensor

    def and_then(self, later: Corrections) -> Corrections:
        """These, then the later ones."""
        return Corrections(
            torch.cat([self.xy_unit, later.xy_unit], 1), torch.cat([self.labels, later.labels], 1)
        )


def clicks_on_errors(low_logits: Tensor, target: Tensor, rng: np.random.Generator) -> list[Clicks]:
    """For each row the simulated clicks: (x, y) float32 (K, 2) in 0..1, labels int64 (K,).

    low_logits (N, 1, L, L); target (N, 1, S, S) in 0..1. K is 0 where nothing is wrong.
    """
    side = low_logits.shape[-1]
    predicted = (low_logits > 0).squeeze(1).cpu().numpy()
    truth = (F.adaptive_avg_pool2d(target, side) > 0.5).squeeze(1).cpu().numpy()
    drawn = []
    for mask, wanted in zip(predicted, truth, strict=True):
        clicks = error_clicks(mask, wanted, rng)
        xy = np.array([(c.x, c.y) for c in clicks], np.float64).reshape(-1, 2)
        labels = np.array([bool(c.positive) for c in clicks], np.int64)
        drawn.append((unit_of_input(xy, side).astype(np.float32), labels))
    return drawn


def padded_clicks(
    clicks: list[Clicks],
) -> tuple[Tensor, Tensor]:
    """Clicks of R rows as (R, K, 2) and labels (R, K), -1 for padding."""
    most = max(len(labels) for _, labels in clicks)
    xy = torch.zeros(len(clicks), most, 2)
    flags = torch.full((len(clicks), most), -1, dtype=torch.long)
    for row, (at, labels) in enumerate(clicks):
        xy[row, : len(labels)] = torch.from_numpy(at)
        flags[row, : len(labels)] = torch.from_numpy(labels)
    return xy, flags


def with_result(
    prompts: DrawnPrompts, logits: Tensor, target: Tensor, *, window: int
) -> tuple[DrawnPrompts, Corrections]:
    """The same prompt with the predicted mask as its mask and a point in the middle of the error.

    logits, target (N, 1, L, L). Returns that point as a correction, too. Objects without an error
    get a point of padding.
    """
    # Find the errors
    wrong = (logits > 0) != (target > 0.5)
    side = logits.shape[-1]
    # Blur them: the peak is deep inside the largest (times the error, as it may lie between two)
    depth = wrong.float()
    for _ in range(2):
        depth = F.avg_pool2d(depth, 9, 1, 4)
    where = (depth * wrong).flatten(1).argmax(1)
    # Put a click there, signed by the truth
    y, x = where // side, where % side
    unit = unit_of_input(torch.stack([x, y], -1).float(), side)
    signs = target.flatten(1).gather(1, where[:, None]) > 0.5
    labels = torch.where(wrong.flatten(1).any(1, keepdim=True), signs.long(), -1)
    given = Corrections(unit[:, None].cpu(), labels.cpu())
    # Append it to the points of the prompt, with the prediction as the mask
    xy, labels = input_of_unit(given.xy_unit, window), given.labels
    if prompts.points_xy_input is not None and prompts.point_labels is not None:
        xy = torch.cat([prompts.points_xy_input, xy], 1)
        labels = torch.cat([prompts.point_labels, labels], 1)
    mask = as_mask_prompt(logits)
    return DrawnPrompts(xy, labels, prompts.boxes_xyxy_input, mask, ambiguous=False), given
