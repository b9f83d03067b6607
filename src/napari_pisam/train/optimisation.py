"""Learning rates by name and step, and the moving average of the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.config import ConfigError, Stage, TrainConfig
from napari_pisam.train.initial import NEW_PARTS

_CORRECTOR = "mask_decoder.interact_2"
USUAL_RATES: dict[Stage, dict[str, float]] = {
    "encoder": {
        "image_encoder": 2e-4,
        "prompt_encoder": 5e-5,
        "mask_decoder": 1e-4,
        _CORRECTOR: 0.0,
    },
    "decoder": {**{f"mask_decoder.{part}": 5e-4 for part in NEW_PARTS}, _CORRECTOR: 0.0},
    "interactor": {_CORRECTOR: 1e-3},
}
"""Learning rates by stage, for a model that has been trained before."""


def learning_rate_scale(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine down to the configuration's floor."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    share = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return config.floor + (1 - config.floor) * share


def rates_of(config: TrainConfig) -> dict[str, float]:
    """The configuration's learning rates; where it names none, those of its stage.

    A light encoder is trained in stage "decoder" too; SAM's own stays frozen, as published.
    """
    if config.learning_rates:
        return config.learning_rates
    rates = USUAL_RATES[config.stage]
    light = config_of(config.model).encoder.kind == "lite"
    if config.stage == "decoder" and light:
        return {**USUAL_RATES["encoder"], **rates}
    return rates


def parameter_groups(model: PiSam, config: TrainConfig) -> list[dict[str, Any]]:
    """Trainable parameters by learning rate; all others are frozen.

    The longest prefix of the rates that fits a name decides; none fits: frozen. Raises
    ConfigError when nothing is left to train or a prefix fits no name.
    """
    rates = rates_of(config)
    groups: dict[float, list[nn.Parameter]] = {}
    names = [name for name, _ in model.named_parameters()]
    for prefix in rates:
        if not any(name.startswith(prefix) for name in names):
            raise ConfigError(f"learning_rates: no parameter's name begins with {prefix!r}.")
    for name, parameter in model.named_parameters():
        fitting = [p for p in rates if name.startswith(p)]
        rate = rates[max(fitting, key=len)] if fitting else 0.0
        parameter.requires_grad_(rate > 0)
        if rate > 0:
            groups.setdefault(rate, []).append(parameter)
    if not groups:
        raise ConfigError("learning_rates freezes every parameter: name what is to be trained.")
    return [{"params": p, "lr": r, "base": r} for r, p in groups.items()]


class Average:
    """Exponential moving average of the trainable parameters."""

    def __init__(self, model: PiSam, decay: float) -> None:
        self.decay = decay
        self.values = {
            n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad
        }

    @torch.no_grad()
    def update(self, model: PiSam, step: int) -> None:
        """Update with the weights after that step; the decay is smaller in the first steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter.detach(), 1 - decay)

    def weights(self, model: PiSam) -> dict[str, Tensor]:
        """The model's state with the averages in the place of the parameters."""
        return {**model.state_dict(), **self.values}
