"""The command `pisam`: parse, configure, call; every error in one sentence.

Modules of this room import nothing heavy at their top, except those that a command imports when it
runs: `pisam --help` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import napari_pisam
from napari_pisam.cli import demo, doctor, evaluate, models, segment, train
from napari_pisam.cli.messages import (
    EXIT_ERROR,
    EXIT_STOPPED,
    EXIT_USAGE,
    BadOptionError,
    sentence_of,
    warnings_as_remarks,
    write,
    write_error,
)

__all__ = ["app", "main"]

# What typer raises for a wrong command line. Some of its releases take the class from the package
# click, others bring a copy of their own, and none exports it by name.
_USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="pisam",
    help="Precise interactive segmentation: point at an object, correct, keep its mask.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("segment")(segment.segment)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)


def _show_version(wanted: bool) -> None:
    if wanted:
        write(f"napari-pisam {napari_pisam.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _pisam(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        show_help(context)


def show_help(context: typer.Context) -> None:
    """What `--help` shows, for a command that was given nothing to do."""
    # Depending on its release typer prints the help itself and returns nothing.
    text = context.get_help()
    if text:
        write(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for an error, 2 for a wrong command line.

    arguments: those after the program's name; None takes the process's own. Errors become one
    sentence on stderr; with --debug they are raised.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [word for word in given if word != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a character shows a question mark, and the work is not lost.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if debug:
        return _run(given)
    with warnings_as_remarks():
        return _run_politely(given)


def _run(given: list[str]) -> int:
    code: object = app(given, standalone_mode=False, prog_name="pisam")
    return code if isinstance(code, int) else 0


def _run_politely(given: list[str]) -> int:
    try:
        return _run(given)
    except _USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx is not None else "pisam"
        write_error(f"{error.format_message().rstrip('.')}: see `{command} --help`.")
        return EXIT_USAGE
    except BadOptionError as error:
        write_error(sentence_of(error))
        return EXIT_USAGE
    except BrokenPipeError:
        # The reader of the output is gone; what is still to be flushed is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_STOPPED
    except Exception as error:  # noqa: BLE001 - the user's edge: even a bug is one sentence
        write_error(sentence_of(error))
        return EXIT_ERROR
