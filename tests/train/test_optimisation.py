"""What a step may do to the weights, and whose figures validation tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.train import loop
from napari_pisam.train.config import TrainConfig
from napari_pisam.train.loop import Trainer
from napari_pisam.train.optimisation import learning_rate_scale

Configured = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import takes longer than a run."""
    monkeypatch.setattr(Trainer, "_tensorboard", lambda self: None)


def fresh(config: TrainConfig) -> dict[str, Tensor]:
    """The weights that a run without `init` starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        state: dict[str, Tensor] = PiSam(config_of(config.model), "pi").state_dict()
    return state


def moved(data_root: Path, out: Path, config: TrainConfig) -> dict[str, float]:
    """By how much each weight has changed in a run, at most."""
    trainer = Trainer(config, data_root=data_root, out=out)
    for _ in trainer.run():
        pass
    after = trainer.model.state_dict()
    before = fresh(config)
    return {n: float((after[n].float() - v.float()).abs().max()) for n, v in before.items()}


def test_every_step_has_the_learning_rate_of_its_number(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    config = configured(steps=4, warmup=2, floor=0.1)
    trainer = Trainer(config, data_root=data_root, out=tmp_path)
    scales = []
    for report in trainer.run():
        (scale,) = {g["lr"] / g["base"] for g in trainer.optimizer.param_groups}
        assert scale == pytest.approx(learning_rate_scale(report.done - 1, config))
        scales.append(scale)
    assert len(set(scales)) > 2


def test_a_gradient_is_clipped_to_the_largest_norm(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    # Adam takes steps of one size whatever the gradient's, but for one near its epsilon
    short = moved(data_root, tmp_path / "a", configured(steps=1, clip=1e-12, weight_decay=0.0))
    free = moved(data_root, tmp_path / "b", configured(steps=1, clip=0.0, weight_decay=0.0))
    assert max(short.values()) < 1e-6 < 1e-4 < max(free.values())


def test_statistics_of_norms_and_frozen_weights_do_not_change(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    config = configured(steps=2, learning_rates={"image_encoder.backbone": 1e-3})
    changed = moved(data_root, tmp_path, config)
    still = {name for name, by in changed.items() if not by}
    assert {n for n in changed if "running_" in n or "num_batches" in n} <= still
    assert {n for n in changed if not n.startswith("image_encoder.backbone")} <= still
    assert len(still) < len(changed)


def test_validation_measures_the_averaged_weights_and_restores_the_current_ones(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[dict[str, Tensor]] = []

    def noted(model: PiSam, *_: Any, **__: Any) -> dict[str, float]:
        measured.append({k: v.clone() for k, v in model.state_dict().items()})
        return {}

    monkeypatch.setattr(loop, "validation_iou", noted)
    trainer = Trainer(configured(steps=3, epoch=2), data_root=data_root, out=tmp_path)
    own: list[dict[str, Tensor]] = []
    step = trainer._one_step

    def watched(batch: Any) -> dict[str, float]:
        if own:
            assert all(torch.equal(v, own[-1][k]) for k, v in trainer.model.state_dict().items())
        losses = step(batch)
        own.append({k: v.clone() for k, v in trainer.model.state_dict().items()})
        return losses

    monkeypatch.setattr(trainer, "_one_step", watched)
    for _ in trainer.run():
        pass
    assert len(measured) == 2
    average = trainer.average.weights(trainer.model)
    assert all(torch.equal(v, average[k]) for k, v in measured[-1].items())
    assert any(not torch.equal(v, own[-1][k]) for k, v in measured[-1].items())
