"""Losses against values computed by hand, and where their points fall."""

from __future__ import annotations

import math

import pytest
import torch

from napari_pisam.train.losses import (
    dice_loss,
    focal_loss,
    mask_iou,
    point_loss,
    sam_loss,
    sample_points,
    uncertain_points,
)


def test_dice_of_masks_that_half_overlap() -> None:
    # p = 0.5 everywhere: 1 - (2 * 0.5 * 2 + 1) / (2 + 2 + 1)
    found = dice_loss(torch.zeros(1, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert found.item() == pytest.approx(1 - 3 / 5)


def test_dice_of_a_perfect_mask_is_zero() -> None:
    target = torch.tensor([[1.0, 0.0, 1.0]])
    assert dice_loss((target - 0.5) * 200, target).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_weighs_by_the_error() -> None:
    # logit 0: cross-entropy log 2, weight 0.5 ** 2
    assert focal_loss(torch.zeros(1, 3), torch.ones(1, 3)).item() == pytest.approx(math.log(2) / 4)
    # logit log 3: p = 0.75; target 1: -log 0.75 * 0.25 ** 2; target 0: -log 0.25 * 0.75 ** 2
    logits = torch.full((1, 2), math.log(3))
    wanted = (-math.log(0.75) * 0.0625 - math.log(0.25) * 0.5625) / 2
    assert focal_loss(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(wanted)


def test_the_loss_of_sam_is_twenty_focal_and_a_dice() -> None:
    logits, target = torch.randn(2, 3, 4, 4), torch.rand(2, 1, 4, 4).round()
    found = sam_loss(logits, target)
    assert found.shape == (2, 3)
    row = logits[1, 2].flatten()[None]
    truth = target[1, 0].flatten()[None]
    wanted = 20 * focal_loss(row, truth) + dice_loss(row, truth)
    assert found[1, 2].item() == pytest.approx(wanted.item())


def test_iou_counts_pixels() -> None:
    logits = torch.tensor([[[[1.0, 1.0, -1.0, -1.0]]]])
    target = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    assert mask_iou(logits, target).item() == pytest.approx(1 / 3)
    assert mask_iou(-torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 0


def test_points_are_read_at_pixel_centres_and_the_border_is_continued() -> None:
    values = torch.arange(8.0).view(1, 1, 2, 4)
    xy = torch.tensor([[[1 / 8, 1 / 4], [7 / 8, 3 / 4], [1 / 4, 1 / 4], [1.0, 1.0]]])
    assert sample_points(values, xy).flatten().tolist() == pytest.approx([0, 7, 0.5, 7])


def test_three_quarters_of_the_points_are_the_most_uncertain() -> None:
    # |logit| grows with x, so uncertain means left
    ramp = torch.linspace(0, 50, 64).expand(1, 1, 64, 64)
    points = uncertain_points(ramp, 400, torch.Generator().manual_seed(1))
    assert points.shape == (1, 400, 2)
    candidates = torch.rand(1, 1200, 2, generator=torch.Generator().manual_seed(1))
    cut = candidates[0, :, 0].sort().values[300]
    assert (points[0, :300, 0] <= cut).all()
    # the others fall anywhere
    assert points[0, 300:, 0].max() > 0.9
    assert points[0, 300:, 0].mean() == pytest.approx(0.5, abs=0.1)


def test_points_stay_in_the_rectangle_they_are_given() -> None:
    inside = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 0.1, 0.1]])
    points = uncertain_points(
        torch.randn(2, 1, 16, 16), 100, torch.Generator(), within_xyxy_unit=inside
    )
    assert (points >= inside[:, None, :2]).all()
    assert (points <= inside[:, None, 2:]).all()


def test_the_point_loss_of_constant_logits() -> None:
    found = point_loss(
        torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8), 400, generator=torch.Generator()
    )
    # cross-entropy log 2; dice with p = 0.5 and all targets 1: 1 - (2 * 200 + 1) / (200 + 400 + 1)
    assert found.item() == pytest.approx(math.log(2) + 1 - 401 / 601, abs=1e-5)


def test_the_point_loss_compares_masks_of_two_resolutions() -> None:
    target = torch.zeros(1, 1, 32, 32)
    target[..., 16:] = 1
    logits = torch.nn.functional.avg_pool2d(target * 40 - 20, 4)
    right = point_loss(logits, target, 200, generator=torch.Generator().manual_seed(0))
    wrong = point_loss(-logits, target, 200, generator=torch.Generator().manual_seed(0))
    assert right.item() < 0.6 < 4 < wrong.item()
