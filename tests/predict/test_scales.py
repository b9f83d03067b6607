"""A light model tries a click in many scales and goes by the trial that it trusts most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_pisam import Click, Prompt
from napari_pisam.model.config import CONFIGS
from napari_pisam.model.pisam import PiSam
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.results import Embedding

CELL, CELL_RADIUS = Click(200, 210), 40
NUCLEUS_RADIUS = 4
IMAGE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 255, (400, 420), np.uint8)
CLICK = Click(190, 200)


def watched(predictor: Predictor, monkeypatch: pytest.MonkeyPatch, *, sure_of: str) -> list[int]:
    """Sides of the windows tried; near by a nucleus is seen in them, from afar its cell."""
    sides: list[int] = []

    def low_res(embedding: Embedding, prompt: Prompt) -> tuple[NDArray[np.float32], float]:
        window = embedding.window
        sides.append(window.height)
        near = window.height < 100
        centre, radius = (CLICK, NUCLEUS_RADIUS) if near else (CELL, CELL_RADIUS)
        places = (np.arange(64) + 0.5) * window.height / 64 - 0.5
        rows, columns = window.y + places[:, None], window.x + places
        disc = (rows - centre.y) ** 2 + (columns - centre.x) ** 2 <= radius**2
        score = 0.9 if (sure_of == "nucleus") == near else 0.4
        return np.where(disc, 4, -4).astype(np.float32), score

    monkeypatch.setattr(predictor, "predict_low_res", low_res)
    return sides


@pytest.mark.parametrize(
    ("sure_of", "middle", "diameter"),
    [("cell", CELL, 2 * CELL_RADIUS), ("nucleus", CLICK, 2 * NUCLEUS_RADIUS)],
)
def test_the_answers_window_lies_round_what_was_seen_at_the_scale_with_the_best_estimate(
    toy: Predictor,
    monkeypatch: pytest.MonkeyPatch,
    sure_of: str,
    middle: Click,
    diameter: int,
) -> None:
    sides = watched(toy, monkeypatch, sure_of=sure_of)
    window = toy.segment(IMAGE, Prompt(points=(CLICK,))).window
    assert sides == [16, 32, 64, 128, 256]
    assert window.height == pytest.approx(diameter / toy.search_policy.aim, rel=0.15)
    assert window.y + window.height / 2 == pytest.approx(middle.y, abs=0.1 * diameter + 1)
    assert window.x + window.width / 2 == pytest.approx(middle.x, abs=0.1 * diameter + 1)


def test_a_heavy_model_tries_on_only_until_a_trial_is_good_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        heavy = Predictor(PiSam(CONFIGS["toy_vit"], "sam"), name="heavy", dtype="float32")
    sides = watched(heavy, monkeypatch, sure_of="cell")
    window = heavy.segment(IMAGE, Prompt(points=(CLICK,))).window
    # a nucleus is small at native resolution, and fits the window after it
    assert len(sides) <= heavy.search_policy.trials
    assert sides[0] == 64
    assert window.height == pytest.approx(2 * NUCLEUS_RADIUS / heavy.search_policy.aim, rel=0.25)


def test_corrections_move_no_window(toy: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(toy, monkeypatch, sure_of="cell")
    prompt: Any = Prompt(points=(CLICK,))
    corrected = Prompt(points=(CLICK,), corrections=(Click(180, 190, False),))
    assert toy.segment(IMAGE, prompt).window == toy.segment(IMAGE, corrected).window
