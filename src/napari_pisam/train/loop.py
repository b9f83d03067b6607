"""The training loop: devices through Fabric, states written atomically, resumed bit for bit."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn
from torch.utils.data import DataLoader

from napari_pisam.datasets.labelled import (
    LabelledDataError,
    LabelledImage,
    SourceConfig,
    find_pairs,
    present,
    split,
)
from napari_pisam.images.source import ImageError
from napari_pisam.jobs import Progress
from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.model.policy import bf16_is_fast
from napari_pisam.train.batches import StepBatch, StepDataset
from napari_pisam.train.config import ConfigError, TrainConfig
from napari_pisam.train.crops import CropSampler, CropStyle
from napari_pisam.train.initial import initialise
from napari_pisam.train.optimisation import Average, learning_rate_scale, parameter_groups
from napari_pisam.train.stages import StageStep
from napari_pisam.train.states import (
    STATE,
    WEIGHTS,
    append_losses,
    cut_losses,
    read_state,
    write_state,
    write_weights,
)
from napari_pisam.train.stopping import StopRequest
from napari_pisam.train.validate import validation_iou

__all__ = ["STATE", "WEIGHTS", "Trainer"]


def _fabric(config: TrainConfig, devices: int | str) -> Fabric:
    """Devices and precision; under torchrun its processes, whatever `devices` says."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // local if local else 1
    count = local or devices
    strategy: Any = "auto"
    if local > 1 or nodes > 1 or (isinstance(count, int) and count > 1):
        strategy = DDPStrategy(find_unused_parameters=True)
    accelerator = "auto" if config.device == "auto" else config.device
    try:
        precision: Any = config.precision
        if precision == "auto":
            precision = "bf16-mixed" if bf16_is_fast(accelerator) else "32-true"
        return Fabric(
            accelerator=accelerator,
            devices=count,
            num_nodes=nodes,
            strategy=strategy,
            precision=precision,
        )
    except (ValueError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(
            f"device {config.device!r} with precision {config.precision!r} "
            f"cannot be used: {reason}."
        ) from None


class Trainer:
    """One run in one folder: state.pt, weights.safetensors, losses.csv and tensorboard.

    data_root: what the sources' folders are relative to; checkpoint_root: what `init` is relative
    to, the data root by default. devices: how many, or "auto" for all. Raises ConfigError for a
    device or precision that is not there.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        data_root: Path,
        out: Path,
        devices: int | str = 1,
        checkpoint_root: Path | None = None,
    ) -> None:
        self.given = self.config = config
        self.data_root, self.out = data_root, out
        self.checkpoint_root = checkpoint_root or data_root
        self.fabric = _fabric(config, devices)
        self.remark = ""

    def _prepare(self) -> None:
        fabric, config = self.fabric, self.config
        fabric.seed_everything(config.seed + fabric.global_rank, verbose=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = PiSam(config_of(config.model), "pi")
        initialise(model, config.init, self.checkpoint_root)
        model.image_encoder.to(memory_format=torch.channels_last)
        step = StageStep(model, config)
        groups = parameter_groups(model, config)
        optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self.average = Average(model, config.ema)
        self.model = model
        self.step_module, self.optimizer = fabric.setup(step, optimizer)
        self.average.values = {k: v.to(fabric.device) for k, v in self.average.values.items()}
        self.done = 0

    def _sources(self) -> tuple[list[tuple[float, list[LabelledImage]]], list[LabelledImage]]:
        training, validation = [], []
        try:
            for source in self._wanted():
                kept, held = split(find_pairs(self.data_root, source), source)
                training.append((source.weight or len(kept), kept))
                validation += held
        except (LabelledDataError, ImageError) as error:
            raise ConfigError(str(error)) from None
        count = sum(len(kept) for _, kept in training)
        if not count:
            raise ConfigError("There is no image to learn from: validation holds back all of them.")
        if self.given.epochs:
            epoch = -(-count // (self.given.crops * self.fabric.world_size))
            self.config = dataclasses.replace(
                self.given, epoch=epoch, steps=epoch * self.given.epochs
            )
        return training, validation

    def _wanted(self) -> list[SourceConfig]:
        """The sources that are learned from, without missing ones where that is allowed."""
        wanted = [s for s in self.config.sources if s.training]
        there = present(self.data_root, wanted)
        lacking = ", ".join(s.name for s in wanted if s not in there)
        if not lacking:
            return there
        if there and self.config.missing == "skip":
            self.remark = f"left out, because their folders are missing: {lacking}"
            return there
        raise ConfigError(
            f"The folders of {lacking} are not under {self.data_root}: check the data root, or set "
            'missing = "skip" to go on with the others.'
        )

    def _style(self, augment: str) -> CropStyle:
        config = self.config
        return CropStyle(
            size=config_of(config.model).window,
            objects=config.objects,
            synthetic=config.synthetic,
            window=config.window,
            augment=augment,
        )

    def _loader(self, training: list[tuple[float, list[LabelledImage]]]) -> DataLoader[StepBatch]:
        config = self.config
        data = StepDataset(
            CropSampler(training, self._style(config.augment)),
            crops=config.crops,
            low=config_of(config.model).low,
            prompts=config.prompts,
            seed=(config.seed, self.fabric.global_rank),
        )
        return DataLoader(
            data,
            batch_size=None,
            sampler=range(self.done, config.steps),
            num_workers=config.workers,
            prefetch_factor=4 if config.workers else None,
        )

    def run(self, *, resume: bool = False) -> Generator[Progress, None, None]:
        """Train to the last step, yielding after each: the losses, and what was written.

        resume: go on from the state in the folder. Closing the iterator writes the state first;
        Ctrl-C lets the step end, writes the state and raises KeyboardInterrupt. Raises ConfigError
        for a configuration, folder or state that cannot be used.
        """
        self.fabric.launch()
        training, validation = self._sources()
        self._prepare()
        _make_folder(self.out)
        if resume:
            self._load_state()
        with StopRequest(self.fabric) as stop:
            try:
                yield from self._steps(self._loader(training), validation, stop)
            except GeneratorExit:
                # it is raised between two steps only, so the state is complete
                self.save()
                raise

    def validate(self) -> dict[str, float]:
        """The figures of the validation images for the weights that training would start from."""
        self.fabric.launch()
        _, validation = self._sources()
        self._prepare()
        if not validation:
            raise ConfigError("No image is held back for validation: name some in the sources.")
        return self._validate(validation)

    def _steps(
        self, loader: DataLoader[StepBatch], validation: list[LabelledImage], stop: StopRequest
    ) -> Iterator[Progress]:
        writer = self._tensorboard()
        begun = time.monotonic()
        for batch in _read(loader):
            losses = self._one_step(batch)
            self.done += 1
            note, self.remark = self.remark, ""
            if self.done % self.config.epoch == 0 or self.done == self.config.steps:
                self.save()
                if validation and self.fabric.is_global_zero:
                    losses |= self._validate(validation)
                note = f"{note}; state written".lstrip("; ")
            self._log(losses, writer)
            now = time.monotonic()
            took = now - begun
            yield Progress(self.done, self.config.steps, note, figures=losses, seconds=took)
            begun = now
            if stop.requested():
                self.save()
                raise KeyboardInterrupt

    def _one_step(self, batch: StepBatch) -> dict[str, float]:
        scale = learning_rate_scale(self.done, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * scale
        self._freeze_statistics()
        loss = self.step_module(batch)
        self.fabric.backward(loss.total)
        if self.config.clip:
            self.fabric.clip_gradients(self.step_module, self.optimizer, max_norm=self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.model, self.done)
        return {k: float(v) for k, v in loss.parts.items()} | {"lr_scale": scale}

    def _freeze_statistics(self) -> None:
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def _validate(self, images: list[LabelledImage]) -> dict[str, float]:
        current = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.weights(self.model))
        try:
            return validation_iou(self.model, images, self._style("none"), stage=self.config.stage)
        finally:
            self.model.load_state_dict(current)

    def save(self) -> None:
        """Write state.pt and the averaged weights, each whole or not at all; one process writes."""
        if not self.fabric.is_global_zero:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
        }
        write_state(self.out, state, self.given)
        weights = self.average.weights(self.model)
        write_weights(self.out / WEIGHTS, weights, self.given, step=self.done)

    def _load_state(self) -> None:
        state = read_state(self.out, self.given, self.fabric.device)
        self.model.load_state_dict(state["model"])
        self.average.values = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.done = int(state["done"])
        if self.fabric.is_global_zero:
            cut_losses(self.out, self.done)

    def _tensorboard(self) -> Any:
        if not self.fabric.is_global_zero:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self.out / "tensorboard", purge_step=self.done)

    def _log(self, losses: dict[str, float], writer: Any) -> None:
        if writer is None:
            return
        append_losses(self.out, self.done, losses)
        for name, value in losses.items():
            writer.add_scalar(name, value, self.done)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The output folder {folder} cannot be made: {error.strerror}.") from None


def _read(loader: DataLoader[StepBatch]) -> Iterator[StepBatch]:
    """The batches; an image that cannot be read becomes a ConfigError of one sentence."""
    try:
        yield from loader
    except (ImageError, LabelledDataError) as error:
        # from a worker process it comes with that process's traceback as its text
        sentence = str(error).rstrip().splitlines()[-1]
        raise ConfigError(sentence.partition("Error: ")[2] or sentence) from None
