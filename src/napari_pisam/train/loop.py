"""The training loop: devices through Fabric, states written atomically, resumed bit for bit."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from napari_pisam.images.labelled import (
    LabelledDataError,
    LabelledImage,
    find_pairs,
    present,
    split,
)
from napari_pisam.images.source import ImageError
from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.model.policy import bf16_is_fast
from napari_pisam.train.batches import StepBatch, StepDataset
from napari_pisam.train.config import ConfigError, SourceConfig, TrainConfig
from napari_pisam.train.crops import CropSampler
from napari_pisam.train.initial import initialise
from napari_pisam.train.stages import StageStep
from napari_pisam.train.validate import validation_iou

STATE = "state.pt"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Progress:
    """One report: the step just done, of how many, the losses, seconds a step, what was written."""

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float
    note: str = ""


def learning_rate_scale(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def parameter_groups(model: PiSam, config: TrainConfig) -> list[dict[str, Any]]:
    """Trainable parameters by learning rate; all others are frozen.

    The longest prefix of `learning_rates` that fits a name decides; none fits: frozen.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        fitting = [p for p in config.learning_rates if name.startswith(p)]
        rate = config.learning_rates[max(fitting, key=len)] if fitting else 0.0
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
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter.detach(), 1 - decay)

    def weights(self, model: PiSam) -> dict[str, Tensor]:
        """The model's state with the averages in the place of the parameters."""
        return {**model.state_dict(), **self.values}


def _write_atomically(path: Path, write: Any) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Trainer:
    """One run in one folder: state.pt, weights.safetensors, losses.csv and tensorboard."""

    def __init__(
        self, config: TrainConfig, *, data_root: Path, out: Path, devices: int = 1
    ) -> None:
        self.config, self.out = config, out
        strategy: Any = "auto"
        if devices > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
            strategy = DDPStrategy(find_unused_parameters=True)
        accelerator = "auto" if config.device == "auto" else config.device
        precision: Any = config.precision
        if precision == "auto":
            precision = "bf16-mixed" if bf16_is_fast(accelerator) else "32-true"
        self.fabric = Fabric(
            accelerator=accelerator, devices=devices, strategy=strategy, precision=precision
        )
        self.data_root = data_root
        self.remark = ""

    def _prepare(self) -> None:
        fabric, config = self.fabric, self.config
        fabric.launch()
        fabric.seed_everything(config.seed + fabric.global_rank, verbose=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = PiSam(config_of(config.model), "pi")
        initialise(model, config.init, self.data_root)
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
        if not any(kept for _, kept in training):
            raise ConfigError("There is no image to learn from: validation holds back all of them.")
        return training, validation

    def _wanted(self) -> list[SourceConfig]:
        """The sources that are learned from, without missing ones where that is allowed."""
        wanted = [s for s in self.config.sources if s.training]
        there = present(self.data_root, wanted)
        lacking = ", ".join(s.name for s in wanted if s not in there)
        if not lacking or (there and self.config.missing == "skip"):
            self.remark = f"left out, because their folders are missing: {lacking}" * bool(lacking)
            return there
        raise ConfigError(
            f"The folders of {lacking} are not under {self.data_root}: check the data root, or set "
            'missing = "skip" to go on with the others.'
        )

    def _loader(self, training: list[tuple[float, list[LabelledImage]]]) -> DataLoader[StepBatch]:
        size = self.model.config
        sampler = CropSampler(
            training, size=size.window, objects=self.config.objects, synthetic=self.config.synthetic
        )
        data = StepDataset(
            sampler,
            crops=self.config.crops,
            low=size.low,
            seed=self.config.seed,
            rank=self.fabric.global_rank,
        )
        return DataLoader(
            data,
            batch_size=None,
            sampler=range(self.done, self.config.steps),
            num_workers=self.config.workers,
            prefetch_factor=4 if self.config.workers else None,
        )

    def run(self, *, resume: bool = False) -> Iterator[Progress]:
        """Train to the last step, yielding after each.

        resume: go on from the state in the folder. Closing the iterator, or Ctrl-C, writes the
        state first. Raises ConfigError for a configuration, folder or state that cannot be used.
        """
        self._prepare()
        self.out.mkdir(parents=True, exist_ok=True)
        if resume:
            self._load_state()
        training, validation = self._sources()
        try:
            yield from self._steps(self._loader(training), validation)
        finally:
            self.save()

    def _steps(
        self, loader: DataLoader[StepBatch], validation: list[LabelledImage]
    ) -> Iterator[Progress]:
        writer = self._tensorboard()
        begun = time.monotonic()
        for batch in loader:
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
            yield Progress(self.done, self.config.steps, losses, now - begun, note)
            begun = now

    def _one_step(self, batch: StepBatch) -> dict[str, float]:
        scale = learning_rate_scale(self.done, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * scale
        self._freeze_statistics()
        loss = self.step_module(batch)
        if loss.total.requires_grad:
            self.fabric.backward(loss.total)
            self.fabric.clip_gradients(self.step_module, self.optimizer, max_norm=5.0)
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
            return validation_iou(self.model, images)
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
            "config": json.dumps(_identity(self.config)),
        }
        weights = {k: v.detach().contiguous() for k, v in self.average.weights(self.model).items()}
        metadata = {"model": self.config.model, "kind": "pi", "step": str(self.done)}
        _write_atomically(self.out / STATE, lambda p: torch.save(state, p))
        _write_atomically(self.out / WEIGHTS, lambda p: save_file(weights, p, metadata=metadata))

    def _load_state(self) -> None:
        path = self.out / STATE
        if not path.is_file():
            raise ConfigError(f"{path} does not exist: start without --resume first.")
        state = torch.load(path, map_location=self.fabric.device, weights_only=True)
        if _distinct(json.loads(state["config"])) != _distinct(_identity(self.config)):
            raise ConfigError(
                f"{path} belongs to another configuration: use another output folder."
            )
        self.model.load_state_dict(state["model"])
        self.average.values = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.done = int(state["done"])

    def _tensorboard(self) -> Any:
        if not self.fabric.is_global_zero:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self.out / "tensorboard")

    def _log(self, losses: dict[str, float], writer: Any) -> None:
        if writer is None:
            return
        with (self.out / "losses.csv").open("a", newline="") as file:
            table = csv.writer(file)
            for name, value in losses.items():
                table.writerow((self.done, name, f"{value:.6g}"))
                writer.add_scalar(name, value, self.done)


def _identity(config: TrainConfig) -> dict[str, Any]:
    """What must be equal for a resumed run to be the same run, as JSON holds it."""
    fields = asdict(config)
    for name in ("workers", "device"):
        fields.pop(name)
    identity: dict[str, Any] = json.loads(json.dumps(fields))
    return identity


def _distinct(fields: dict[str, Any], kind: type = TrainConfig) -> dict[str, Any]:
    """Without what has its default: an entry that came later does not part old runs from new."""
    defaults = {
        f.name: json.loads(json.dumps(f.default))
        for f in dataclasses.fields(kind)
        if f.default is not dataclasses.MISSING
    }
    kept = {k: v for k, v in fields.items() if k not in defaults or v != defaults[k]}
    if "sources" in kept:
        kept["sources"] = [_distinct(s, SourceConfig) for s in kept["sources"]]
    return kept
