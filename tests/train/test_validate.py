"""The figures of validation: one correction, in the middle of the largest error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.pi_step import PiExample
from napari_pisam.train.validate import _high_iou

LOW, WINDOW = 16, 64


@pytest.mark.parametrize("missed", [True, False])
def test_the_correction_lies_on_the_error_and_has_the_true_sign(
    missed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PiSam(config_of("toy"), "pi").eval()
    square = torch.zeros(1, 1, WINDOW, WINDOW)
    square[..., 10:21, 40:61] = 1
    answer = -torch.ones_like(square) if missed else 2 * square - 1
    target = square if missed else torch.zeros_like(square)
    heard: list[dict[str, Tensor]] = []

    def interacted(feature: Tensor, token: Tensor, **named: Tensor) -> Tensor:
        heard.append(named)
        return feature

    def head(*_: Any) -> Tensor:
        return target * 2 - 1 if heard else answer

    monkeypatch.setattr(model.mask_decoder.interact_2, "forward", interacted)
    monkeypatch.setattr(model.mask_decoder, "head", head)
    c = config_of("toy").feature
    feature, low = torch.zeros(1, c, LOW, LOW), torch.zeros(1, 1, LOW, LOW)
    one = PiExample(torch.zeros(1, 1, c), feature, low, torch.zeros(1, 3, WINDOW, WINDOW), target)
    found = _high_iou(model, one)
    assert float(found["high"]) == 0
    # nothing at all is right there when there is no object
    assert float(found["corrected"]) == float(missed)
    (named,) = heard
    assert named["click_labels"].tolist() == [[int(missed)]]
    x, y = (named["clicks_xy_unit"][0, 0] * WINDOW - 0.5).tolist()
    assert y == pytest.approx(15)
    assert 44 <= x <= 56


def test_a_mask_without_an_error_gets_no_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PiSam(config_of("toy"), "pi").eval()
    target = torch.zeros(1, 1, WINDOW, WINDOW)
    target[..., 10:21, 40:61] = 1
    monkeypatch.setattr(model.mask_decoder, "head", lambda *_: target * 2 - 1)
    monkeypatch.setattr(
        model.mask_decoder.interact_2, "forward", lambda *_, **__: pytest.fail("corrected")
    )
    c = config_of("toy").feature
    feature, low = torch.zeros(1, c, LOW, LOW), torch.zeros(1, 1, LOW, LOW)
    one = PiExample(torch.zeros(1, 1, c), feature, low, torch.zeros(1, 3, WINDOW, WINDOW), target)
    assert {name: float(v) for name, v in _high_iou(model, one).items()} == {
        "high": 1.0,
        "corrected": 1.0,
    }
