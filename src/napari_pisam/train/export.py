"""A finished run as a model file that `load_predictor` takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from napari_pisam.model.checkpoint import write_pisam
from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.config import TrainConfig
from napari_pisam.train.initial import load_checkpoint
from napari_pisam.train.states import metadata_of


def export(config: TrainConfig, weights: Path, target: Path, *, licence: str) -> None:
    """Write the weights of a run in our own format, fp16.

    config: the run's; weights: its weights.safetensors; licence: one line for the file's
    metadata. Raises ConfigError when the weights do not fit the configuration's model.
    """
    model = PiSam(config_of(config.model), "pi")
    load_checkpoint(model, weights)
    metadata = metadata_of(dataclasses.replace(config, licence=licence))
    write_pisam(target, model.state_dict(), metadata, dtype=torch.float16)
