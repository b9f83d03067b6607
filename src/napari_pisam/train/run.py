"""Training as one call: for the command line, scripts and whoever shows its progress."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_pisam.jobs import Progress
from napari_pisam.train.config import ConfigError, TrainConfig, load_config
from napari_pisam.train.initial import ANY_WEIGHTS
from napari_pisam.train.loop import STATE, Trainer
from napari_pisam.zoo import ZOO

__all__ = ["ConfigError", "Folders", "train"]


@dataclass(frozen=True, slots=True)
class Folders:
    """data_root: what the sources' folders are relative to; output: the run's own folder.

    checkpoint_root: what the configuration's `init` is relative to; None for the data root.
    """

    data_root: Path
    output: Path
    checkpoint_root: Path | None = None


def train(
    config: Path | TrainConfig,
    folders: Folders,
    *,
    resume: bool = False,
    restore: str | Path | None = None,
    devices: int | str = 1,
    evaluate_only: bool = False,
) -> Generator[Progress, None, None]:
    """Train one stage, yielding after every step; close the generator to stop with a good state.

    config: a TOML file, or a configuration such as `published_config` makes. resume: go on from
    the state in the output folder; without it a folder that holds one is refused. restore: weights
    of ours, a Pi-SAM decoder or a SAM, by name or file, laid over what the configuration starts
    from. devices: how many, or "auto" for all there are; under
    torchrun its processes count. evaluate_only: yield one report with the figures of the
    validation images for the weights that training would start from, and change no file.
    Ctrl-C finishes the step in hand, writes the state and raises KeyboardInterrupt. Raises
    ConfigError, one sentence.
    """
    settings = config if isinstance(config, TrainConfig) else load_config(config)
    if restore is not None:
        named = str(restore) in ZOO and not Path(restore).is_file()
        entry = restore if named else Path(restore).expanduser().resolve()
        settings = dataclasses.replace(settings, init=(*settings.init, f"{ANY_WEIGHTS}:{entry}"))
    if not resume and not evaluate_only and (folders.output / STATE).is_file():
        raise ConfigError(
            f"{folders.output} holds the state of a run: go on from it with --resume, or choose "
            "another folder with --output."
        )
    trainer = Trainer(
        settings,
        data_root=folders.data_root,
        out=folders.output,
        devices=devices,
        checkpoint_root=folders.checkpoint_root,
    )
    if evaluate_only:
        begun = time.monotonic()
        figures = trainer.validate()
        took = time.monotonic() - begun
        yield Progress(0, settings.steps, "validation", figures=figures, seconds=took)
        return
    yield from trainer.run(resume=resume)
