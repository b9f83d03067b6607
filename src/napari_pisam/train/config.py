"""The configuration of a training run, read from one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_pisam.datasets.labelled import (
    PUBLISHED,
    LabelledDataError,
    SourceConfig,
    load_sources,
    parse_sources,
)
from napari_pisam.datasets.tables import TableError, read_toml, record_of
from napari_pisam.model.config import config_of

__all__ = ["ConfigError", "SourceConfig", "Stage", "TrainConfig", "load_config"]

Stage = Literal["encoder", "decoder", "interactor"]
Context = Literal["crop", "window"]
WindowKind = Literal["object", "whole"]
Augment = Literal["microscopy", "flip", "none"]


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says which entry and what to do."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One stage of training.

    stage: "encoder" (through SAM's decoder), "decoder" (everything new but the interactor) or
    "interactor". init: checkpoints laid over the fresh model in order. learning_rates: by prefix
    of the parameter's name, the longest prefix wins, 0 freezes. crops, objects: windows a step and
    prompted objects a window. steps: total; epoch: steps between states. high_objects: objects a
    step that the high-resolution modules see; feature_crop: the side in cells of the square of the
    low-resolution grid that they see of each (0: the whole window); context: in stage
    "interactor", whether clicks act on that "crop" or, as in prediction, on the whole "window".
    losses: names of those to be summed; empty for the stage's own. missing: whether a source whose
    folders are not there ends the run or is left out of it.
    epochs: passes over all training images, in the place of steps and epoch; 0 to count steps.
    floor: share of the learning rate that is left at the end; clip: largest norm of the gradient,
    0 for any. window: "object", a square round an object at many scales; "whole", the image
    squeezed into the square, jittered by 0.8 to 1.6. augment: what happens to the pixels; "flip"
    mirrors left and right only. prompts: odds by kind of prompt, see PROMPT_ODDS; empty for the
    usual mixture. synthetic: share of crops with drawn scenes or pasted objects. second_pass:
    probability that the mask becomes the next prompt together with a click on its error, up to
    three times; in stage "interactor" those are the clicks, for models with `answers_again`. ema:
    decay of the average that is written as the weights. licence: a line for the model file.
    """

    name: str
    stage: Stage
    sources: tuple[SourceConfig, ...]
    model: str = "tiny"
    kind: Literal["pi"] = "pi"
    init: tuple[str, ...] = ()
    learning_rates: dict[str, float] = field(default_factory=dict)
    steps: int = 1000
    epoch: int = 100
    warmup: int = 100
    crops: int = 4
    objects: int = 6
    high_objects: int = 8
    weight_decay: float = 0.01
    ema: float = 0.999
    seed: int = 42
    workers: int = 1
    precision: str = "auto"
    device: str = "auto"
    synthetic: float = 0.1
    second_pass: float = 0.5
    feature_crop: int = 0
    context: Context = "crop"
    losses: tuple[str, ...] = ()
    missing: Literal["stop", "skip"] = "stop"
    epochs: int = 0
    floor: float = 0.01
    clip: float = 5.0
    window: WindowKind = "object"
    augment: Augment = "microscopy"
    prompts: dict[str, float] = field(default_factory=dict)
    licence: str = ""


LEAST = {
    **dict.fromkeys(("steps", "epoch", "crops", "objects", "high_objects"), 1),
    **dict.fromkeys(("warmup", "weight_decay", "ema", "seed", "workers", "feature_crop"), 0),
    **dict.fromkeys(("synthetic", "second_pass", "epochs", "floor", "clip"), 0),
}
"""The smallest value of each number."""
PROMPT_ODDS = {
    "click": 0.38,
    "box": 0.28,
    "points": 0.12,
    "box_mask": 0.07,
    "click_mask": 0.07,
    "mask": 0.08,
}
"""The usual mixture: one click; a box; two to four points, some off the object, now and then with
a box; a box or a click with a rough mask; a mask alone."""
LOSS_NAMES = ("sam", "iou", "low", "high", "corrected")
SHARES = ("ema", "synthetic", "second_pass", "floor")
"""Entries that are shares, at most 1."""


def load_config(path: Path) -> TrainConfig:
    """Read a TOML file.

    Its `data` entry names another TOML with `[[source]]` tables, relative to it, or "published";
    sources of its own are added to these; `weights` changes the weights of some by their names.
    Raises ConfigError with one sentence for a file that is missing, not TOML, or has entries that
    no stage knows, or values out of range.
    """
    try:
        table = read_toml(path)
        sources = _sources(table, path)
        config = record_of(TrainConfig, {**table, "sources": sources}, str(path))
    except (TableError, LabelledDataError) as error:
        raise ConfigError(str(error)) from None
    _check_numbers(config, str(path))
    try:
        config_of(config.model)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    return config


def _sources(table: dict[str, Any], path: Path) -> tuple[SourceConfig, ...]:
    data, own = table.pop("data", None), table.pop("source", [])
    weights = table.pop("weights", {})
    found: tuple[SourceConfig, ...] = ()
    if data is not None:
        if not isinstance(data, str):
            raise TableError(f"{path}: data should be the name of a TOML file, not {data!r}.")
        found = load_sources(PUBLISHED if data == PUBLISHED else path.parent / data)
    if own or not found:
        found += parse_sources(own, str(path))
    return _weighted(found, weights, str(path))


def _weighted(
    sources: tuple[SourceConfig, ...], weights: object, where: str
) -> tuple[SourceConfig, ...]:
    """The sources with the weights that the file itself gives some of them."""
    names = [s.name for s in sources]
    if not isinstance(weights, dict):
        raise TableError(f"{where}: weights should be a table of sources' names and numbers.")
    for name, weight in weights.items():
        if name not in names:
            raise TableError(f"{where}: weights know no {name!r}; there is {', '.join(names)}.")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            raise TableError(f"{where}: the weight of {name} should be a number from 0.")
    return tuple(replace(s, weight=float(weights.get(s.name, s.weight))) for s in sources)


def _check_numbers(config: TrainConfig, where: str) -> None:
    for name, least in LEAST.items():
        value = getattr(config, name)
        if value < least:
            raise ConfigError(f"{where}: {name} should be at least {least}, not {value}.")
    for name in SHARES:
        if getattr(config, name) > 1:
            raise ConfigError(f"{where}: {name} should be at most 1, not {getattr(config, name)}.")
    for name, odds in config.prompts.items():
        if name not in PROMPT_ODDS or odds < 0:
            raise ConfigError(
                f"{where}: prompts are odds of {', '.join(PROMPT_ODDS)}, each from 0."
            )
    if config.prompts and not sum(config.prompts.values()):
        raise ConfigError(f"{where}: prompts are odds, and at least one should be more than 0.")
    for name in config.losses:
        if name not in LOSS_NAMES:
            raise ConfigError(f"{where}: losses are some of {', '.join(LOSS_NAMES)}, not {name!r}.")
    for prefix, rate in config.learning_rates.items():
        if rate < 0:
            raise ConfigError(f"{where}: the learning rate of {prefix!r} should not be negative.")
