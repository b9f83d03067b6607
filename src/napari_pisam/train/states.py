"""The files of a run: the state to resume from, the weights, the losses so far."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from napari_pisam import __version__
from napari_pisam.export.atomic import SaveError, replacing
from napari_pisam.model.checkpoint import write_pisam
from napari_pisam.model.config import config_of
from napari_pisam.model.loading import architecture_of
from napari_pisam.train.config import ConfigError, SourceConfig, TrainConfig
from napari_pisam.train.optimisation import rates_of

STATE = "state.pt"
WEIGHTS = "weights.safetensors"
LOSSES = "losses.csv"
UNSTATED = "not stated"
ALL = "."
"""As a source's `validation`: each of its images is held back, so none is learned from."""
FREE = ("workers", "device", "licence")
"""Entries that a resumed run may change."""


def write_state(folder: Path, state: dict[str, Any], config: TrainConfig) -> None:
    """Write state.pt, whole or not at all.

    state: plain values and tensors. Raises ConfigError when the disk refuses.
    """
    try:
        with replacing(folder / STATE) as file:
            _save({**state, "config": json.dumps(_identity(config))}, file)
    except SaveError as error:
        raise ConfigError(str(error)) from None


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # torch's writer raises its own error after the disk's; the disk's is the cause
        refused = error.__context__
        raise refused if isinstance(refused, OSError) else error from None


def read_state(folder: Path, config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """What `write_state` wrote. Raises ConfigError when it is missing, damaged or another run's."""
    path = folder / STATE
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: start without resuming first.")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        stored = json.loads(state["config"])
    except (RuntimeError, pickle.UnpicklingError, KeyError, ValueError, EOFError, OSError):
        raise ConfigError(f"{path} is damaged: start anew in another folder.") from None
    if _distinct(stored) != _distinct(_identity(config)):
        raise ConfigError(f"{path} belongs to another configuration: use another output folder.")
    return state


def write_weights(
    path: Path, weights: dict[str, Tensor], config: TrainConfig, *, step: int
) -> None:
    """Write a model file that prediction takes, whole or not at all.

    Raises ConfigError when the disk refuses.
    """
    contiguous = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    try:
        write_pisam(path, contiguous, metadata_of(config, step=step))
    except OSError as error:
        raise ConfigError(str(error)) from None


def metadata_of(config: TrainConfig, *, step: int | None = None) -> dict[str, object]:
    """The metadata of a model file; step: the last one done, by default the last of the run."""
    size = config_of(config.model)
    training = {
        "name": config.name,
        "stage": config.stage,
        "steps": config.steps if step is None else step,
        "sources": [s.name for s in config.sources if s.training and s.validation != ALL],
        "learning_rates": rates_of(config),
    }
    return {
        "architecture": architecture_of(size),
        "window": size.window,
        "licence": config.licence or UNSTATED,
        "training": training,
        "version": __version__,
    }


def cut_losses(folder: Path, done: int) -> None:
    """Take the rows of losses.csv off that lie beyond the step that is resumed from."""
    path = folder / LOSSES
    if not path.is_file():
        return
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row and row[0].isdecimal()]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", newline="") as file:
        csv.writer(file).writerows(row for row in rows if int(row[0]) <= done)
    os.replace(draft, path)


def append_losses(folder: Path, step: int, losses: dict[str, float]) -> None:
    """Rows of step, name and value. Raises ConfigError when the disk refuses."""
    path = folder / LOSSES
    try:
        with path.open("a", newline="") as file:
            csv.writer(file).writerows((step, n, f"{v:.6g}") for n, v in losses.items())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def _identity(config: TrainConfig) -> dict[str, Any]:
    """What must be equal for a resumed run to be the same run, as JSON holds it."""
    fields = dataclasses.asdict(config)
    for name in FREE:
        fields.pop(name)
    identity: dict[str, Any] = json.loads(json.dumps(fields))
    return identity


def _distinct(fields: dict[str, Any], kind: type = TrainConfig) -> dict[str, Any]:
    """Without entries that have their default: one added later does not make old runs differ."""
    defaults = {}
    for entry in dataclasses.fields(kind):
        if entry.default_factory is not dataclasses.MISSING:
            defaults[entry.name] = entry.default_factory()
        elif entry.default is not dataclasses.MISSING:
            defaults[entry.name] = json.loads(json.dumps(entry.default))
    kept = {k: v for k, v in fields.items() if k not in defaults or v != defaults[k]}
    if "sources" in kept:
        kept["sources"] = [_distinct(s, SourceConfig) for s in kept["sources"]]
    return kept
