"""TOML tables as frozen dataclasses: every entry known and of its type, or one sentence."""

from __future__ import annotations

import dataclasses
import tomllib
import types
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


class TableError(ValueError):
    """A TOML file or an entry of it that cannot be used; the message is one sentence."""


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises TableError when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is not TOML: {error}.") from None


def record_of(kind: type[T], table: dict[str, Any], where: str) -> T:
    """The dataclass `kind` with the table's entries; lists become tuples.

    where: what messages call the table. Raises TableError for an entry that `kind` does not have,
    one that it needs, and one of another type.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            raise TableError(
                f"{where}: there is no entry {name!r}; there are {', '.join(sorted(fields))}."
            )
        value = tuple(value) if isinstance(value, list) else value
        wanted = _misfit(value, hints[name])
        if wanted:
            raise TableError(f"{where}: {name} should be {wanted}, not {value!r}.")
        values[name] = value
    for name, field in fields.items():
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise TableError(f"{where}: the entry {name!r} is missing.")
    return kind(**values)


def _misfit(value: object, hint: Any) -> str:
    """What the value should be, or nothing when it is."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "" if value in inner else " or ".join(repr(i) for i in inner)
    if origin is tuple:
        fits = isinstance(value, tuple) and not any(_misfit(v, inner[0]) for v in value)
        return "" if fits else f"a list, each of it {NAMES.get(inner[0], 'a table')}"
    if origin is dict:
        fits = isinstance(value, dict) and not any(_misfit(v, inner[1]) for v in value.values())
        return "" if fits else f"a table, each entry {NAMES.get(inner[1], 'a table')}"
    if origin in (Union, types.UnionType):
        return "" if any(not _misfit(value, i) for i in inner) else _misfit(value, inner[0])
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number else NAMES[float]
    if hint is int and isinstance(value, bool):
        return NAMES[int]
    return "" if isinstance(value, hint) else NAMES.get(hint, "a table")
