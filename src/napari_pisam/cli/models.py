"""`pisam models`: which there are, what is known of one, bringing one here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_pisam.cli.messages import EXIT_STOPPED, bars, write, write_error
from napari_pisam.jobs import finish

if TYPE_CHECKING:
    from napari_pisam.jobs import Progress
    from napari_pisam.zoo import ZooEntry

app = typer.Typer(help="Which models there are; download one.", pretty_exceptions_enable=False)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="See `pisam models list`.")]
_NameOrPath = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A model, or its file.")]


@app.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models() -> None:
    """The models by name, and which are on this machine."""
    from rich import box
    from rich.table import Table

    from napari_pisam import zoo

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "encoder", "size", "licence", "at hand"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for entry in zoo.ZOO.values():
        there = zoo.is_at_hand(entry)
        table.add_row(
            entry.name, entry.encoder, _size(entry), entry.licence, "yes" if there else "no"
        )
    write(table)
    write("`pisam models info NAME` shows more; `pisam models download NAME` downloads one.")


@app.command()
def info(name: _NameOrPath) -> None:
    """What is known of a model: licence, size, checksum, where it lies, what its file says."""
    from napari_pisam import zoo

    if name in zoo.ZOO:
        _show(_facts_of_entry(zoo.ZOO[name]))
        notice = zoo.notice(zoo.ZOO[name])
        if notice:
            write(notice)
    else:
        _show(_facts_of_file(zoo.resolve(name)))


@app.command()
def download(name: _Name) -> None:
    """Bring a model here; a download that broke off goes on from where it stopped."""
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    from napari_pisam import zoo

    entry = zoo.find(name)
    if not entry.embedded and not zoo.is_at_hand(entry):
        write(f"From {zoo.source_url(entry)}, licence {entry.licence}.")
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    work = zoo.download(entry)
    with bars(*columns) as shown:
        task = shown.add_task(entry.name, total=entry.size)

        def show(at: Progress) -> None:
            shown.update(task, completed=at.done, total=at.total)

        try:
            path = finish(work, show)
        except KeyboardInterrupt:
            write_error("Stopped: the next download goes on from there.")
            raise typer.Exit(EXIT_STOPPED) from None
    write(f"{entry.name} is at hand: {path}")


def _size(entry: ZooEntry) -> str:
    from napari_pisam import zoo

    path = zoo.local_path(entry)
    size = entry.size or (path.stat().st_size if path.is_file() else None)
    return "" if size is None else _megabytes(size)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:.0f} MB"


def _facts_of_entry(entry: ZooEntry) -> Iterator[tuple[str, str]]:
    from napari_pisam import zoo

    path, there = zoo.local_path(entry), zoo.is_at_hand(entry)
    yield "name", entry.name
    yield "what", entry.description
    yield "encoder", entry.encoder
    yield "licence", entry.licence
    yield "size", _size(entry)
    yield "checksum", entry.hash or ""
    yield "from", "the package itself" if entry.embedded else zoo.source_url(entry)
    yield "file", str(path)
    ways = "install the package again" if entry.embedded else f"pisam models download {entry.name}"
    yield "at hand", "yes" if there else f"no: {ways}"
    if there and entry.kind == "pisam":
        yield from _facts_of_file(path)


def _facts_of_file(path: Path) -> Iterator[tuple[str, str]]:
    """What a weights file is, and its metadata. Raises CheckpointError."""
    from napari_pisam.model.checkpoint import KIND_NAMES, read_state

    checkpoint = read_state(path)
    numbers = sum(tensor.numel() for tensor in checkpoint.state.values())
    yield "holds", KIND_NAMES[checkpoint.kind]
    if checkpoint.encoder:
        yield "encoder", checkpoint.encoder
    yield "weights", f"{numbers / 1e6:.1f} million in {len(checkpoint.state)} tensors"
    for key, value in checkpoint.metadata.items():
        yield key, _in_words(value)


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_in_words(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _show(facts: Iterator[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value:
            table.add_row(Text(name, style="bold"), Text(value, overflow="fold"))
    write(table)
