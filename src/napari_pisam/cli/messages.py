"""What the command writes: results to stdout, remarks and errors to stderr."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeVar

from napari_pisam.jobs import one_sentence

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, ProgressColumn

T = TypeVar("T")

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_STOPPED = 130
_FOR_PROGRAMMERS = (
    DeprecationWarning,
    FutureWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
# Columns of a table in a file or a pipe, where no terminal says how wide it is.
_PIPE_WIDTH = 160


class BadOptionError(ValueError):
    """Something on the command line cannot be used; the message is one sentence for the user."""


def console(stream: TextIO | None = None) -> Console:
    """Where to write; None is stdout."""
    from rich.console import Console

    target = stream or sys.stdout
    width = None if target.isatty() else _PIPE_WIDTH
    return Console(file=target, highlight=False, markup=False, emoji=False, width=width)


def write(what: RenderableType, *, style: str = "") -> None:
    """Write a result: a table, or a line of text that is neither wrapped nor taken as markup."""
    console().print(what, style=style, soft_wrap=isinstance(what, str))


def write_remark(sentence: str) -> None:
    """Write a sentence that the user should know of, in yellow, to stderr."""
    console(sys.stderr).print(sentence, style="yellow", soft_wrap=True)


@contextmanager
def warnings_as_remarks() -> Iterator[None]:
    """Write each warning as a remark, once; what programmers tell each other stays with them."""
    written: set[str] = set()

    def write_once(message: Warning | str, *about: object, **more: object) -> None:
        sentence = " ".join(str(message).split())
        if sentence not in written:
            written.add(sentence)
            write_remark(sentence)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for kind in _FOR_PROGRAMMERS:
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = write_once
        yield


def write_error(sentence: str) -> None:
    """Write the one sentence of an error, in red, to stderr."""
    console(sys.stderr).print(sentence, style="red", soft_wrap=True)


def sentence_of(error: BaseException) -> str:
    """One line for any error: our own sentences as they are, others with what to do next."""
    kind, text = type(error).__name__, " ".join(str(error).split()) or "no message"
    return one_sentence(
        error,
        memory="The memory does not suffice: "
        "close other programs, or use a smaller model or image.",
        otherwise=f"This should not happen ({kind}: {text}): report it, with --debug.",
    )


def bars(*columns: ProgressColumn, visible: bool = True) -> Progress:
    """Progress bars on stderr that vanish at the end; none in a file, a pipe, or if not visible."""
    from rich.progress import Progress

    shown = visible and sys.stderr.isatty()
    return Progress(*columns, console=console(sys.stderr), transient=True, disable=not shown)


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items one by one, with a bar when there are several."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bars(*columns, visible=len(items) > 1) as shown:
        yield from shown.track(items, description=what)
