"""`pisam evaluate`: how good a model's masks are, and how many clicks they take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_pisam.cli.messages import BadOptionError, bars, write
from napari_pisam.cli.options import check_writable
from napari_pisam.jobs import finish

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_pisam.evaluate.report import ClickReport
    from napari_pisam.jobs import Progress

SOURCES_FILE = "sources.toml"

_Sources = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG|DATA",
        help="A TOML file that names sources of images and masks, as for training, or a folder "
        f"that holds {SOURCES_FILE}.",
    ),
]
_DataRoot = Annotated[
    Path | None,
    typer.Option(help="What the sources' folders are relative to; else the TOML file's folder."),
]
_Model = Annotated[str, typer.Option(metavar="NAME|PATH", help="See `pisam models list`.")]
_PerImage = Annotated[int, typer.Option(min=1, help="At most so many objects of an image.")]
_PerSource = Annotated[int, typer.Option(min=1, help="At most so many objects of a source.")]
_Clicks = Annotated[
    int, typer.Option(min=1, help="Clicks an object at most: the first one and corrections.")
]
_Only = Annotated[
    list[str] | None, typer.Option(metavar="SOURCE", help="These sources; may be repeated.")
]
_Json = Annotated[
    Path | None, typer.Option("--json", metavar="OUT.json", help="All figures, object by object.")
]


def evaluate(  # noqa: PLR0913 - each parameter is an option
    sources: _Sources,
    model: _Model = "pisam-tiny",
    *,
    data_root: _DataRoot = None,
    per_image: _PerImage = 8,
    per_source: _PerSource = 60,
    clicks: _Clicks = 4,
    only: _Only = None,
    json: _Json = None,
) -> None:
    """Measure a model: IoU from one click, from a box, after corrections; clicks to quality."""
    listed = sources / SOURCES_FILE if sources.is_dir() else sources
    if not listed.is_file():
        raise BadOptionError(
            f"There is no file '{listed}': give a TOML file with [[source]] tables."
        )
    if json is not None:
        check_writable(json.parent)
    from napari_pisam.evaluate.clicks import ClickProtocol
    from napari_pisam.evaluate.run import evaluate as measured

    protocol = ClickProtocol(per_image=per_image, per_source=per_source, corrections=clicks - 1)
    work = measured(
        listed,
        data_root=data_root or listed.parent,
        model=model,
        protocol=protocol,
        only=tuple(only or ()),
    )
    report = _with_bar(work)
    write(report.table())
    if json is not None:
        report.write_json(json)
        write(f"{json} written.")


def _with_bar(work: Generator[Progress, None, ClickReport]) -> ClickReport:
    """Its report, with a bar and the time left on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bars(*columns) as shown:
        task = shown.add_task("", total=None)

        def show(at: Progress) -> None:
            shown.update(task, completed=at.done, total=at.total, description=at.message)

        return finish(work, show)
