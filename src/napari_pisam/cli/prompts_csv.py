"""Many objects in one table: CSV files of prompts, of this program, napari and ImageJ."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_pisam.cli.tables import (
    Coordinates,
    Ids,
    Numbers,
    Row,
    Table,
    TableFileError,
    read_table,
)
from napari_pisam.prompts import Box, Click, Prompt

COLUMNS = ("id", "kind", "y", "x", "y1", "x1")
KINDS = ("point", "not-point", "box", "correct", "correct+", "correct-")
MAX_ID = 2**32 - 1
# The second word of each is what the plugin's own points layers call it.
_POINT_SIGN = {"point": True, "object": True, "not-point": False, "background": False}
_CORRECTION_SIGN = {
    "correct": None,
    "auto": None,
    "correct+": True,
    "add": True,
    "correct-": False,
    "remove": False,
}
_STACK_COLUMNS = ("slice", "frame", "ch")
_NAPARI_AXES = tuple(f"axis-{n}" for n in range(8))
_KNOWN = (*COLUMNS, "group", *_NAPARI_AXES, *_STACK_COLUMNS)


@dataclass(frozen=True, slots=True)
class TableFrame:
    """How the coordinates of a table lie in an image.

    coordinates: None where nobody said; then they are pixels, unless the table may hold lengths.
    pixel_size: (y, x) in the image's unit; None where the image has none.
    """

    coordinates: Coordinates | None = None
    pixel_size: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ObjectPrompt:
    """The prompt of one object. id: its value in the labels image, at least 1."""

    id: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns hold what. kind, id: None where there is no such column."""

    y: str
    x: str
    id: str | None
    kind: str | None

    @classmethod
    def of(cls, table: Table, ids: Ids) -> _Layout:
        """The layout of a table; raises TableFileError for a column that is lacking."""
        axes = [name for name in _NAPARI_AXES if name in table.columns]
        if axes and not {"y", "x"} & set(table.columns):
            if len(axes) != 2:
                raise TableFileError(
                    f"{table.name} holds points with {len(axes)} axes: keep one plane of them, as "
                    f"columns y and x in place of {axes[-2]} and {axes[-1]}."
                )
            y, x = axes
        else:
            y, x = "y", "x"
        named = next((name for name in ("id", "group") if name in table.columns), None)
        lacking = [c for c in (y, x) if c not in table.columns]
        if lacking:
            raise TableFileError(
                f"{table.name} lacks the column '{lacking[0]}': its first line must name the "
                f"columns {', '.join(COLUMNS)}."
            )
        if ids is Ids.COLUMN and named is None:
            raise TableFileError(
                f"{table.name} lacks the column 'id', which tells objects apart: add it (or "
                "'group'), or give --ids rows (each line an object) or --ids one (a single object)."
            )
        kind = "kind" if "kind" in table.columns else None
        return cls(y, x, named if ids is Ids.COLUMN else None, kind)


def read_prompts(
    path: str | Path, *, ids: Ids = Ids.COLUMN, frame: TableFrame | None = None
) -> tuple[ObjectPrompt, ...]:
    """The objects of a CSV file, in the order in which their ids appear first; image pixels.

    Columns in any order, others are ignored: id (or group), kind, y, x, y1, x1; napari's axis-0
    and axis-1 stand for y and x. kind: "point" ("object"), "not-point" ("background"), "box" (y, x
    to y1, x1), "correct" ("auto": the opposite of the mask there), "correct+" ("add"), "correct-"
    ("remove"); without the column all are points on objects. ids: what tells objects apart. frame:
    what the coordinates are, where they are not pixels. Separators, encodings and decimal marks:
    see `tables`. Raises TableFileError, which names line and column of what cannot be read in one
    way only.
    """
    table = read_table(path, known=_KNOWN)
    layout = _Layout.of(table, ids)
    _check_one_plane(table)
    places = _Places(
        table.numbers([c for c in (layout.y, layout.x, "y1", "x1") if c in table.columns]),
        _pixel_size(table, frame),
    )
    found: dict[int, Prompt] = {}
    for nth, row in enumerate(table.rows, 1):
        number = nth if ids is Ids.ROWS else 1
        if layout.id is not None:
            number = _id(row, layout.id)
        found[number] = _with_row(found.get(number, Prompt()), row, layout, places=places)
    return _checked(table.name, found)


@dataclass(frozen=True, slots=True)
class _Places:
    """Reads coordinates as image pixels. pixel_size: (y, x), in the unit of the table."""

    numbers: Numbers
    pixel_size: tuple[float, float]

    def read(self, row: Row, column: str) -> float:
        """The coordinate of a cell; raises TableFileError."""
        along_y = column in ("y", "y1", "axis-0")
        value = self.numbers.read(row, column, f"{column} is a number of image pixels")
        return value / self.pixel_size[0 if along_y else 1]


def _pixel_size(table: Table, frame: TableFrame | None) -> tuple[float, float]:
    """What one pixel is in the table's unit; raises TableFileError where that is open."""
    if frame is None:
        return (1.0, 1.0)
    # ImageJ's table of results begins with a column without a name, and its lengths are in the
    # image's unit wherever the image has one.
    of_imagej = table.columns[0] == "" and {"x", "y"} <= set(table.columns)
    coordinates = frame.coordinates
    if coordinates is None and of_imagej and frame.pixel_size not in (None, (1.0, 1.0)):
        raise TableFileError(
            f"{table.name} looks like ImageJ's results, and the image has a pixel size: give "
            "--coordinates physical if X and Y are lengths, --coordinates pixels if they are not."
        )
    if coordinates is not Coordinates.PHYSICAL:
        return (1.0, 1.0)
    if frame.pixel_size is None:
        raise TableFileError(
            "The image has no pixel size, so that physical coordinates say no place in it: give "
            "pixels."
        )
    return frame.pixel_size


def _check_one_plane(table: Table) -> None:
    """Raise TableFileError where ImageJ's columns say that points lie on several planes."""
    for column in _STACK_COLUMNS:
        held = {row[column] for row in table.rows if row[column]}
        if len(held) > 1:
            raise TableFileError(
                f"{table.name} holds points of several planes (column '{column}'): keep the lines "
                "of one, and name it with --plane."
            )


def _checked(name: str, found: Mapping[int, Prompt]) -> tuple[ObjectPrompt, ...]:
    if not found:
        raise TableFileError(f"{name} holds no prompt: one line for each click or box.")
    for number, prompt in found.items():
        if prompt.empty:
            raise TableFileError(
                f"{name}: nothing says where object {number} is; give it a point or a box."
            )
    return tuple(ObjectPrompt(number, prompt) for number, prompt in found.items())


def _id(row: Row, column: str) -> int:
    """The whole number of an id, also where a spreadsheet or data frame made it 7.0."""
    whole, _, fraction = row[column].partition(".")
    if fraction.strip("0") or not whole.isascii() or not whole.isdecimal():
        whole = "0"
    if not 1 <= int(whole) <= MAX_ID:
        raise TableFileError(
            f"{row.at(column)}: an id is a whole number from 1 to {MAX_ID}, not '{row[column]}'."
        )
    return int(whole)


def _with_row(prompt: Prompt, row: Row, layout: _Layout, *, places: _Places) -> Prompt:
    """The prompt with one more line of the table."""
    kind = row[layout.kind].lower() if layout.kind else "point"
    if kind not in (*KINDS, *_POINT_SIGN, *_CORRECTION_SIGN):
        raise TableFileError(
            f"{row.at('kind')}: there is no kind '{kind}'; there are {', '.join(KINDS)}."
        )
    y, x = (places.read(row, column) for column in (layout.y, layout.x))
    if kind in _POINT_SIGN:
        return replace(prompt, points=(*prompt.points, Click(y, x, _POINT_SIGN[kind])))
    if kind in _CORRECTION_SIGN:
        click = Click(y, x, _CORRECTION_SIGN[kind])
        return replace(prompt, corrections=(*prompt.corrections, click))
    if prompt.box is not None:
        raise TableFileError(f"{row.where}: this object has a box already.")
    y1, x1 = (places.read(row, column) for column in ("y1", "x1"))
    if y == y1 or x == x1:
        raise TableFileError(f"{row.where}: the box has no extent.")
    return replace(prompt, box=Box(min(y, y1), min(x, x1), max(y, y1), max(x, x1)))


def prompts_table(objects: Iterable[ObjectPrompt]) -> str:
    """The objects as the text of a CSV file, which `read_prompts` reads back as they were."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in objects:
        box = one.prompt.box
        if box is not None:
            corners = (box.y_min, box.x_min, box.y_max, box.x_max)
            table.writerow((one.id, "box", *map(_shortest, corners)))
        for click in one.prompt.points:
            kind = "point" if click.positive else "not-point"
            table.writerow((one.id, kind, _shortest(click.y), _shortest(click.x), "", ""))
        for click in one.prompt.corrections:
            kind = {True: "correct+", False: "correct-", None: "correct"}[click.positive]
            table.writerow((one.id, kind, _shortest(click.y), _shortest(click.x), "", ""))
    return text.getvalue()


def _shortest(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
