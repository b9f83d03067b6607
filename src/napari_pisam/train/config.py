"""What a training run is, read from one TOML file."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Stage = Literal["encoder", "decoder", "interactor"]
MaskKind = Literal["instance", "binary"]
Context = Literal["crop", "window"]


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says which entry and what to do."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One folder of images with masks.

    images, masks: folders under the data root; extra: further mask folders, drawn now and then.
    pattern: which files. validation: regular expression on the file stem; or, with `appearance`,
    the size-and-colour clusters held back ("HxW:c" with c the mean // appearance, per channel).
    training: False for sources that are only measured.
    """

    name: str
    images: str
    masks: str
    kind: MaskKind = "instance"
    extra: tuple[str, ...] = ()
    image_ext: str = ""
    mask_ext: str = ".png"
    weight: float = 1.0
    validation: str = "$^"
    appearance: int = 0
    held_back: tuple[str, ...] = ()
    training: bool = True
    boundary: bool = False


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One stage of training.

    stage: "encoder" (through SAM's decoder), "decoder" (everything new but the interactor) or
    "interactor". init: checkpoints laid over the fresh model in order. train: learning rate by
    prefix of the parameter's name, the longest prefix wins, 0 freezes. crops, objects: windows a
    step and prompted objects a window. steps: total; epoch: steps between states. high_objects:
    objects a step that the high-resolution modules see; feature_crop: the side in cells of the
    square of the low-resolution grid that they see of each (0: the whole window); context: in stage
    "interactor", whether clicks act on that "crop" or, as in prediction, on the whole "window".
    losses: names of those to be summed; empty for the stage's own.
    """

    name: str
    stage: Stage
    sources: tuple[SourceConfig, ...]
    model: str = "tiny"
    kind: str = "pi"
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


def _dataclass_from(kind: type[Any], table: dict[str, Any], where: str) -> Any:
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"{where}: there is no entry {unknown[0]!r}; there are {sorted(known)}.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}.") from None


def load_config(path: Path) -> TrainConfig:
    """Read a TOML file; its `data` entry names another TOML with `[[source]]` tables.

    Raises ConfigError with one sentence for a file that is missing, not TOML, or has entries
    that no stage knows.
    """
    table = _read_toml(path)
    data = table.pop("data", None)
    sources = table.pop("source", [])
    if data is not None:
        sources = [*_read_toml(path.parent / data).get("source", []), *sources]
    if not sources:
        raise ConfigError(f"{path}: name at least one [[source]] of images and masks.")
    parsed = []
    for i, source in enumerate(sources):
        parsed.append(_dataclass_from(SourceConfig, source, f"{path}, source {i + 1}"))
        try:
            re.compile(parsed[-1].validation)
        except re.error as error:
            raise ConfigError(
                f"{path}, source {i + 1}: validation is no pattern: {error}."
            ) from None
    config: TrainConfig = _dataclass_from(
        TrainConfig, {**table, "sources": tuple(parsed)}, str(path)
    )
    if config.stage not in ("encoder", "decoder", "interactor"):
        raise ConfigError(f"{path}: stage is encoder, decoder or interactor, not {config.stage!r}.")
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
