"""Tables as people have them: CSV of any separator, decimal mark and encoding, read or refused.

Nothing is guessed: a cell that can be read in two ways is refused with its line and column.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SEPARATORS = (",", ";", "\t")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Digits, perhaps in groups of three, and a fraction; the exponent is written with a point only.
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MARKED = re.compile(r"[+-]?\d[\d.,]*")
_GROUP_SPACE = re.compile(r"(?<=\d)[ '\u2019\u00a0\u2009\u202f](?=\d{3}(\D|$))")


class TableFileError(ValueError):
    """A table that cannot be used; the message is one sentence for the user."""


class Ids(StrEnum):
    """What tells the objects of a table apart."""

    COLUMN = "column"  # the column id, or group
    ROWS = "rows"  # each line is an object
    ONE = "one"  # all lines are one object


class Coordinates(StrEnum):
    """What the coordinates of a table are."""

    PIXELS = "pixels"
    PHYSICAL = "physical"  # lengths, in the unit of the image's pixel size


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    cells: text by column, the columns in lower case, nothing for what is missing. where: file and
    line, for messages.
    """

    cells: Mapping[str, str]
    where: str

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def at(self, column: str) -> str:
        """File, line and column, for messages."""
        return f"{self.where}, column {column}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text. columns: lower case, in the order of the file."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def numbers(self, columns: Sequence[str]) -> Numbers:
        """What reads the numbers of those columns, by the decimal mark that they all have."""
        texts = (row[column] for row in self.rows for column in columns)
        return Numbers(decimal_mark(texts))


def read_table(path: str | Path, *, known: Sequence[str]) -> Table:
    """A table from a file with a line of column names.

    known: names of columns that count; the separator is the one that finds most of them, and none
    of them may stand there twice. Raises TableFileError, one sentence.
    """
    path = Path(path)
    text = _text(path)
    header, separator = _header(text, known)
    for column in known:
        if header.count(column) > 1:
            nth = [i for i, name in enumerate(header, 1) if name == column]
            raise TableFileError(
                f"{path.name} has the column '{column}' twice, as columns {nth[0]} and {nth[1]}: "
                "remove or rename one of them."
            )
    return Table(
        path.name, tuple(header), tuple(_rows(path.name, text, header, separator=separator))
    )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableFileError(f"{path} cannot be read: {error.strerror}.") from error
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableFileError(f"{path.name} is not a CSV file in UTF-8: save it as one.") from error


def _header(text: str, known: Sequence[str]) -> tuple[list[str], str]:
    """The names of the columns and the separator that tells most of them apart."""
    first = io.StringIO(text, newline="").readline()

    def names(separator: str) -> list[str]:
        row = next(csv.reader([first], delimiter=separator, skipinitialspace=True), [])
        return [name.strip().lower() for name in row]

    best = max(SEPARATORS, key=lambda s: (len(set(names(s)) & set(known)), len(names(s))))
    return names(best), best


def _rows(name: str, text: str, header: Sequence[str], *, separator: str) -> Iterator[Row]:
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    while True:
        try:
            row = next(lines, None)
        except csv.Error as error:
            raise TableFileError(f"{name}, line {lines.line_num}: {error}.") from error
        if row is None:
            return
        where = f"{name}, line {lines.line_num}"
        cells = [cell.strip() for cell in row]
        if where == f"{name}, line 1" or not any(cells):
            continue
        if any(cells[len(header) :]):
            raise TableFileError(
                f"{where} has {len(cells)} cells, the first line {len(header)}: put quotes round "
                "cells that hold the separator, or write numbers with a decimal point."
            )
        yield Row(dict(zip(header, cells, strict=False)), where)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Reads numbers. mark: the decimal mark of the table, see `decimal_mark`."""

    mark: str | None

    def read(self, row: Row, column: str, what: str) -> float:
        """The number of a cell, finite. what: what it is, for the message.

        Raises TableFileError with line and column for what is no number, and for what may be two.
        """
        text = _GROUP_SPACE.sub("", row[column])
        marked = _MARKED.fullmatch(text) is not None
        open_point = marked and "." in text and self.mark != "." and _mark_of(text) is None
        if _PLAIN.fullmatch(text) and not (open_point and self.mark is not None):
            value = float(text)
        else:
            value = self._marked(text, row, column) if marked else math.nan
        if not math.isfinite(value):
            raise TableFileError(f"{row.at(column)}: {what}, not '{row[column]}'.")
        return value

    def _marked(self, text: str, row: Row, column: str) -> float:
        """A number with commas, or with points in a table whose decimal mark is the comma."""
        mark = self.mark or _mark_of(text)
        if mark is None:
            raise TableFileError(
                f"{row.at(column)}: '{row[column]}' may be two numbers, with a decimal or with a "
                "thousands separator: write it with a decimal point and without the other."
            )
        if not _is_grouped(text, mark):
            return math.nan
        group = "," if mark == "." else "."
        return float(text.replace(group, "").replace(mark, "."))


def decimal_mark(texts: Iterator[str]) -> str | None:
    """The decimal mark of a table's numbers: "." or ",", None where no number tells, "" where both.

    "1,5" and "1.234,5" tell a comma, "1.5" and "1,234.5" a point; "1,150" may have either. Where
    no number tells, a single point is decimal, as programs write it.
    """
    marks = {mark for text in texts if (mark := _mark_of(_GROUP_SPACE.sub("", text))) is not None}
    return "".join(marks) if len(marks) == 1 else "" if marks else None


def _mark_of(text: str) -> str | None:
    """The decimal mark that a number can only have; None where it has none or may have either."""
    if not _MARKED.fullmatch(text):
        return None
    commas, points = text.count(","), text.count(".")
    if commas and points:
        last = max(",.", key=text.rfind)
        return last if text.count(last) == 1 else None
    if commas + points == 0:
        return None
    mark, other = (",", ".") if commas else (".", ",")
    if commas + points > 1:
        return other
    return None if len(text.rpartition(mark)[2]) == 3 else mark


def _is_grouped(text: str, mark: str) -> bool:
    """Whether the digits before the decimal mark are in groups of three, if they are in groups."""
    group = re.escape("," if mark == "." else ".")
    whole = rf"[+-]?(\d+|\d{{1,3}}({group}\d{{3}})+)"
    return re.fullmatch(rf"{whole}({re.escape(mark)}\d*)?", text) is not None
