"""`pisam doctor`: what is installed, what will be used and why, what is missing; in words."""

from __future__ import annotations

import typer

from napari_pisam.cli.messages import EXIT_ERROR, write


def doctor() -> None:
    """Say what is installed, which device is used and why, and what is missing.

    Exits with 1 when something essential is missing.
    """
    from rich.table import Table
    from rich.text import Text

    from napari_pisam.cli.checks import all_checks

    colours = {"ok": "green", "note": "yellow", "MISSING": "bold red"}
    table = Table.grid(padding=(0, 2))
    missing = 0
    for check in all_checks():
        missing += check.mark == "MISSING"
        mark = Text(check.mark, style=colours[check.mark])
        table.add_row(mark, Text(check.what), Text(check.words, overflow="fold"))
    write(table)
    if missing:
        write(f"{missing} essential thing{'s are' if missing > 1 else ' is'} missing.", style="red")
        raise typer.Exit(EXIT_ERROR)
    write("Everything essential is there.", style="green")
