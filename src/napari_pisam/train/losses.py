"""Losses of training: SAM's on its low-resolution masks, Pi-SAM's on uncertain points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OVERSAMPLE = 3
UNCERTAIN_SHARE = 0.75


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - dice of each row: (B, n) logits and targets in 0..1 -> (B,)."""
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum(-1) + 1) / (p.sum(-1) + target.sum(-1) + 1)


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Binary cross-entropy weighted by |p - target|^gamma, mean of each row; targets 0..1."""
    p = logits.sigmoid()
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (cross * (p - target).abs().pow(gamma)).mean(-1)


def sam_loss(logits: Tensor, target: Tensor) -> Tensor:
    """20 focal + dice of each mask: (B, T, L, L) against (B, 1, L, L) -> (B, T).

    Source: SAM, appendix A.
    """
    flat = logits.flatten(2)
    wanted = target.flatten(2).expand_as(flat)
    loss: Tensor = 20 * focal_loss(flat, wanted) + dice_loss(flat, wanted)
    return loss


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of thresholded masks: (B, T, L, L) against (B, 1, L, L) -> (B, T), no gradient."""
    p, t = logits > 0, target > 0.5
    inter = (p & t).flatten(2).sum(-1)
    union = (p | t).flatten(2).sum(-1)
    return inter / union.clamp(min=1)


def uncertain_points(
    logits: Tensor,
    count: int,
    generator: torch.Generator,
    *,
    within_xyxy_unit: Tensor | None = None,
) -> Tensor:
    """Points (B, count, 2), (x, y) in 0..1: most where |logit| is smallest, the rest anywhere.

    logits (B, 1, H, W). Three times as many candidates are drawn; 75 % of the points are the most
    uncertain of them. within_xyxy_unit (B, 4): the rectangle of each row that points come from.
    Source: Pi-SAM's training, after PointRend.
    """
    # Draw candidates, and keep the most uncertain
    b = len(logits)
    device = logits.device
    drawn = _anywhere(b, count * OVERSAMPLE, generator, within_xyxy_unit=within_xyxy_unit)
    candidates = drawn.to(device)
    at = sample_points(logits, candidates).squeeze(1)
    uncertain = int(count * UNCERTAIN_SHARE)
    best = (-at.abs()).topk(uncertain, dim=1).indices
    chosen = candidates.gather(1, best.unsqueeze(-1).expand(-1, -1, 2))
    # Draw the rest at random
    rest = _anywhere(b, count - uncertain, generator, within_xyxy_unit=within_xyxy_unit)
    return torch.cat([chosen, rest.to(device)], 1)


def _anywhere(
    rows: int, count: int, generator: torch.Generator, *, within_xyxy_unit: Tensor | None
) -> Tensor:
    points = torch.rand(rows, count, 2, generator=generator)
    if within_xyxy_unit is None:
        return points
    rectangle = within_xyxy_unit.cpu().unsqueeze(1)
    first, last = rectangle[..., :2], rectangle[..., 2:]
    return first + points * (last - first)


def sample_points(values: Tensor, xy_unit: Tensor) -> Tensor:
    """Bilinear values (B, C, n) of (B, C, H, W) at (B, n, 2) in 0..1.

    Beyond the outermost pixel centres the border values are continued: with zeros there, every
    mask's edge would count as uncertain.
    """
    grid = (2 * xy_unit - 1).unsqueeze(1)
    at = F.grid_sample(values.float(), grid, padding_mode="border", align_corners=False)
    return at.squeeze(2)


def point_loss(
    logits: Tensor,
    target: Tensor,
    count: int,
    *,
    generator: torch.Generator,
    within_xyxy_unit: Tensor | None = None,
) -> Tensor:
    """Cross-entropy + dice on uncertain points: (B, 1, H, W) against (B, 1, S, S) -> (B,)."""
    with torch.no_grad():
        points = uncertain_points(logits, count, generator, within_xyxy_unit=within_xyxy_unit)
        wanted = sample_points(target, points).squeeze(1)
    predicted = sample_points(logits, points).squeeze(1)
    cross = F.binary_cross_entropy_with_logits(predicted, wanted, reduction="none").mean(-1)
    return cross + dice_loss(predicted, wanted)
