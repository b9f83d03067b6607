"""`pisam train`: train on labelled images, stage by stage."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from napari_pisam.cli.installing import how_to_install
from napari_pisam.cli.messages import BadOptionError, bars, write, write_error

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_pisam.jobs import Progress
    from napari_pisam.train.config import TrainConfig

NEEDED = "lightning_fabric"
# As the room train calls it, which is not imported before something is trained.
STATE_FILE = "state.pt"

PUBLISHED = "published"

_Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG.toml",
        help="What to train, and on what; or published/ENCODER-STAGE, such as "
        "published/vit_b-decoder.",
    ),
]
_DataRoot = Annotated[
    Path | None,
    typer.Option(help="What the sources' folders are relative to; else the file's folder."),
]
_Checkpoints = Annotated[
    Path | None, typer.Option(help="What `init` is relative to; else the data root.")
]
_Output = Annotated[Path, typer.Option(help="The run's folder: state, weights, logs.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on from the state in the folder.")]
_Restore = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH", help="Weights laid over those of the configuration."),
]
_Eval = Annotated[bool, typer.Option("--eval", help="Measure the start and train nothing.")]
_Devices = Annotated[int, typer.Option(min=1, help="Processes, one a device.")]


def train(  # noqa: PLR0913 - each parameter is an option
    config: _Config,
    *,
    data_root: _DataRoot = None,
    checkpoint_root: _Checkpoints = None,
    output: _Output = Path("runs/latest"),
    resume: _Resume = False,
    restore: _Restore = None,
    evaluate_only: _Eval = False,
    devices: _Devices = 1,
) -> None:
    """Train one stage of a model; Ctrl-C writes the state first, --resume goes on from it."""
    if importlib.util.find_spec(NEEDED) is None:
        raise BadOptionError(f"Training needs more packages: {how_to_install('train')}.")
    published = config.parts[0:1] == (PUBLISHED,) and not config.exists()
    if not published and not config.is_file():
        raise BadOptionError(f"There is no file '{config}': give a TOML file.")
    from napari_pisam.train.run import Folders
    from napari_pisam.train.run import train as trained

    # Only now, because its import sets a level too: remarks on processes and precision.
    logging.getLogger(NEEDED).setLevel(logging.WARNING)
    root = Path() if published else config.parent
    work = trained(
        _published(config) if published else config,
        Folders(data_root or root, output, checkpoint_root),
        resume=resume,
        restore=restore,
        devices=devices,
        evaluate_only=evaluate_only,
    )
    try:
        _with_bar(work)
    except KeyboardInterrupt:
        if _first_process() and (output / STATE_FILE).is_file() and not evaluate_only:
            write_error(
                f"Stopped; {output} holds the state: the same with --resume goes on from it."
            )
        raise
    if _first_process() and not evaluate_only:
        write(f"{output} holds the state and the weights.")


def _published(name: Path) -> TrainConfig:
    """The published training of one encoder and stage, from published/ENCODER-STAGE."""
    from napari_pisam.train.published import published_config

    encoder, _, stage = name.stem.partition("-")
    # It refuses what is neither.
    return published_config(encoder, cast("Literal['decoder', 'interactor']", stage))


def _first_process() -> bool:
    """Whether this is the process that prints; under torchrun the others do not."""
    return os.environ.get("RANK", "0") == "0" and os.environ.get("LOCAL_RANK", "0") == "0"


def _with_bar(work: Generator[Progress, None, None]) -> None:
    """A bar with the losses and the time left on stderr; the figures of validations on stdout."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with contextlib.closing(work), bars(*columns, visible=_first_process()) as shown:
        task = shown.add_task("", total=None)
        for at in work:
            words = "  ".join(f"{k} {v:.3f}" for k, v in at.figures.items() if "/" not in k)
            shown.update(task, completed=at.done, total=at.total, description=words)
            figures = "  ".join(f"{k} {v:.3f}" for k, v in at.figures.items() if "/" in k)
            line = "; ".join(part for part in (at.message, figures) if part)
            if line and _first_process():
                write(f"step {at.done}: {line}")
