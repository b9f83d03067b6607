"""Corrections in training lie in what is wrong, in the frames that the model takes them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_pisam.model.config import config_of
from napari_pisam.model.decoder import PiDecoder
from napari_pisam.train import pi_step
from napari_pisam.train.config import TrainConfig
from napari_pisam.train.corrections import clicks_on_errors, with_result
from napari_pisam.train.losses import point_loss
from napari_pisam.train.pi_step import PiExample, PiStep
from napari_pisam.train.prompting import DrawnPrompts
from napari_pisam.train.squares import rgb_on_squares
from tests.train.conftest import DISCS

LOW, WINDOW = 16, 64
corner = st.integers(0, 10)


def at_pixels(mask: Tensor, xy_unit: Tensor) -> list[float]:
    """Values (L, L) under points (K, 2), x and y in 0..1."""
    side = mask.shape[-1]
    cells = (xy_unit * side).floor().long().clamp(0, side - 1)
    return [float(mask[y, x]) for x, y in cells.tolist()]


@settings(deadline=None)
@given(y=corner, x=corner, height=st.integers(1, 6), width=st.integers(1, 6), missed=st.booleans())
def test_the_next_prompt_has_the_mask_and_a_click_on_its_error_with_the_true_sign(
    y: int, x: int, height: int, width: int, missed: bool
) -> None:
    wrong = torch.zeros(1, 1, LOW, LOW)
    wrong[..., y : y + height, x : x + width] = 1
    target = wrong if missed else torch.zeros_like(wrong)
    logits = -torch.ones_like(wrong) if missed else 2 * wrong - 1
    before = torch.tensor([[[3.0, 4.0]]])
    drawn = DrawnPrompts(before, torch.tensor([[1]]), None, None, True)
    again, given_back = with_result(drawn, logits, target, window=WINDOW)
    assert again.points_xy_input is not None
    assert again.point_labels is not None
    assert torch.equal(again.points_xy_input[:, :1], before)
    assert again.point_labels.tolist() == [[1, int(missed)]]
    # the input counts from the centre of its first pixel, four of which are a cell
    unit = (again.points_xy_input[0, 1:] + 0.5) / WINDOW
    assert torch.allclose(unit, given_back.xy_unit[0])
    assert at_pixels(wrong[0, 0], unit) == [1.0]
    inside = (unit * LOW) % 1
    assert torch.allclose(inside, torch.full_like(inside, 0.5))


def test_the_click_on_two_small_errors_lies_on_one_of_them_and_not_between() -> None:
    wrong = torch.zeros(1, 1, LOW, LOW)
    wrong[..., 8, 4] = wrong[..., 8, 10] = 1
    drawn = DrawnPrompts(None, None, None, None, False)
    _, given_back = with_result(drawn, -torch.ones_like(wrong), wrong, window=WINDOW)
    assert at_pixels(wrong[0, 0], given_back.xy_unit[0]) == [1.0]


@settings(deadline=None)
@given(
    y=st.integers(0, 8),
    x=st.integers(0, 8),
    height=st.integers(4, 8),
    width=st.integers(4, 8),
    seed=st.integers(0, 2**32),
    missed=st.booleans(),
)
def test_simulated_clicks_lie_at_the_centres_of_cells_that_are_wrong(
    y: int, x: int, height: int, width: int, seed: int, missed: bool
) -> None:
    wrong = torch.zeros(1, 1, LOW, LOW)
    wrong[..., y : y + height, x : x + width] = 1
    fine = wrong.repeat_interleave(4, 2).repeat_interleave(4, 3)
    target = fine if missed else torch.zeros_like(fine)
    logits = -torch.ones_like(wrong) if missed else 2 * wrong - 1
    ((xy, labels),) = clicks_on_errors(logits, target, np.random.default_rng(seed))
    assert labels.tolist() == [int(missed)]
    unit = torch.from_numpy(xy)
    assert at_pixels(wrong[0, 0], unit) == [1.0]
    assert torch.allclose((unit * LOW) % 1, torch.full((1, 2), 0.5))


@pytest.fixture
def example() -> PiExample:
    """Two objects with an error each, in opposite corners of their windows."""
    config, random = config_of("toy"), torch.Generator().manual_seed(0)
    target = torch.zeros(2, 1, WINDOW, WINDOW)
    target[0, :, 4:28, 8:30] = 1
    target[1, :, 34:60, 30:56] = 1
    return PiExample(
        torch.randn(2, 1, config.feature, generator=random),
        torch.randn(2, config.feature, LOW, LOW, generator=random),
        torch.full((2, 1, LOW, LOW), -1.0),
        torch.randn(2, 3, WINDOW, WINDOW, generator=random),
        target,
    )


def step_of(**changes: Any) -> PiStep:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        decoder = PiDecoder(config_of("toy"), "pi")
    entries: dict[str, Any] = {
        "name": "test",
        "stage": "interactor",
        "sources": (DISCS,),
        "model": "toy",
        "steps": 1,
        "feature_crop": 8,
        "context": "crop",
        **changes,
    }
    return PiStep(decoder, TrainConfig(**entries), 64)


def test_the_loss_of_a_square_leaves_out_what_its_own_edge_disturbs(
    example: PiExample, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Tensor] = []
    placed: list[Any] = []

    def noted(*given: Any, within_xyxy_unit: Tensor, **named: Any) -> Tensor:
        asked.append(within_xyxy_unit)
        return point_loss(*given, within_xyxy_unit=within_xyxy_unit, **named)

    def watched(embed: Any, pixels: Tensor, squares: Any) -> Tensor:
        placed.append(squares.corners)
        return rgb_on_squares(embed, pixels, squares)

    monkeypatch.setattr(pi_step, "point_loss", noted)
    monkeypatch.setattr(pi_step, "rgb_on_squares", watched)
    step = step_of()
    for seed in range(6):
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        step.high_loss(example, rng, generator)
        step.corrected_loss(example, rng, generator)
    assert len(asked) == 12
    for corners, within in zip(placed, asked, strict=True):
        # of the toy's small squares the middle half is left: two cells of eight go on each side
        first = torch.where(corners.flip(1) > 0, 0.25, 0.0)
        last = torch.where(corners.flip(1) + 8 < LOW, 0.75, 1.0)
        assert torch.equal(within, torch.cat([first, last], 1))


def test_clicks_beside_a_square_do_not_reach_the_interactor(
    example: PiExample, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = step_of()
    heard: list[dict[str, Tensor]] = []
    whole = step.decoder.interact_2.forward

    def noted(*given: Any, **named: Any) -> Tensor:
        heard.append(named)
        return whole(*given, **named)

    monkeypatch.setattr(step.decoder.interact_2, "forward", noted)
    # errors all over the window, many of them farther apart than a square is wide
    target = torch.zeros_like(example.target)
    target[..., 2:22, 2:22] = target[..., 42:62, 2:22] = target[..., 42:62, 42:62] = 1
    for seed in range(8):
        rng = np.random.default_rng(seed)
        step.corrected_loss(example._replace(target=target), rng, torch.Generator())
    left_out = 0
    for named in heard:
        cells = named["clicks_xy_unit"] * LOW - named["corners"].flip(1).unsqueeze(1)
        inside = ((cells >= 0) & (cells < 8)).all(-1)
        told = named["click_labels"] >= 0
        assert not (told & ~inside).any()
        assert told.any(1).all()
        left_out += int((~told).sum())
    assert left_out
