"""Many objects in one table: CSV files of prompts."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_pisam.prompts import Box, Click, Prompt

COLUMNS = ("id", "kind", "y", "x", "y1", "x1")
KINDS = ("point", "not-point", "box", "correct", "correct+", "correct-")
MAX_ID = 2**32 - 1
_POINT_SIGN = {"point": True, "not-point": False}
_CORRECTION_SIGN = {"correct": None, "correct+": True, "correct-": False}


class PromptFileError(ValueError):
    """A table of prompts that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ObjectPrompt:
    """The prompt of one object. id: its value in the labels image, at least 1."""

    id: int
    prompt: Prompt


def read_prompts(path: str | Path) -> tuple[ObjectPrompt, ...]:
    """The objects of a CSV file, in the order in which their ids appear first.

    Columns id, kind, y, x, y1, x1 in any order, others are ignored; image pixels. kind: "point",
    "not-point", "box" (y, x to y1, x1), "correct" (the opposite of the mask there), "correct+",
    "correct-". Commas, semicolons and tabs separate; with semicolons a decimal comma is fine.
    Raises PromptFileError, which names the line.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PromptFileError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PromptFileError(f"{path.name} is not a CSV file in UTF-8: save it as one.") from error
    head = text.partition("\n")[0]
    separator = max((";", "\t", ","), key=head.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    lacking = [c for c in COLUMNS[:4] if c not in rows.fieldnames]
    if lacking:
        raise PromptFileError(
            f"{path.name} lacks the column '{lacking[0]}': its first line must name the columns "
            f"{', '.join(COLUMNS)}."
        )
    found: dict[int, Prompt] = {}
    try:
        for row in rows:
            where = f"{path.name}, line {rows.line_num}"
            cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
            if any(cells.values()):
                number = _id(cells["id"], where)
                found[number] = _with_row(found.get(number, Prompt()), cells, where)
    except csv.Error as error:
        raise PromptFileError(f"{path.name}, line {rows.line_num}: {error}.") from error
    return _checked(path, found)


def _checked(path: Path, found: Mapping[int, Prompt]) -> tuple[ObjectPrompt, ...]:
    if not found:
        raise PromptFileError(f"{path.name} holds no prompt: one line for each click or box.")
    for number, prompt in found.items():
        if prompt.empty:
            raise PromptFileError(
                f"{path.name}: nothing says where object {number} is; give it a point or a box."
            )
    return tuple(ObjectPrompt(number, prompt) for number, prompt in found.items())


def _id(text: str, where: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_ID:
        raise PromptFileError(f"{where}: an id is a whole number from 1 to {MAX_ID}, not '{text}'.")
    return int(text)


def _with_row(prompt: Prompt, cells: Mapping[str, str], where: str) -> Prompt:
    """The prompt with one more line of the table."""
    kind = cells["kind"].lower()
    if kind not in KINDS:
        raise PromptFileError(f"{where}: there is no kind '{kind}'; there are {', '.join(KINDS)}.")
    y, x = (_number(cells[name], name, where) for name in ("y", "x"))
    if kind in _POINT_SIGN:
        return replace(prompt, points=(*prompt.points, Click(y, x, _POINT_SIGN[kind])))
    if kind in _CORRECTION_SIGN:
        click = Click(y, x, _CORRECTION_SIGN[kind])
        return replace(prompt, corrections=(*prompt.corrections, click))
    if prompt.box is not None:
        raise PromptFileError(f"{where}: object {cells['id']} has a box already.")
    y1, x1 = (_number(cells[name], name, where) for name in ("y1", "x1"))
    if y == y1 or x == x1:
        raise PromptFileError(f"{where}: the box has no extent.")
    return replace(prompt, box=Box(min(y, y1), min(x, x1), max(y, y1), max(x, x1)))


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PromptFileError(f"{where}: {name} is a number of image pixels, not '{text}'.")
    return value


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
