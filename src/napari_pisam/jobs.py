"""Work that yields between its steps, so that whoever runs it may show, stop or finish it.

A job is a generator: it yields after each step, it returns its result, and closing it between two
steps cancels it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, field
from typing import Generic, TypeVar

Result = TypeVar("Result")
Step = TypeVar("Step")
Other = TypeVar("Other")

PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    done, total: of what it counts (objects, images, bytes, steps); total is None while nobody
    knows. message: what it is at, or what it has just done. figures: what was measured in the
    step, by name. seconds: how long the step took, 0 where that is not measured.
    """

    done: int
    total: int | None = None
    message: str = ""
    _: KW_ONLY
    figures: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Job(Generic[Step, Result]):
    """A generator to iterate over that keeps what the generator returns.

    result: what it returned; AttributeError before its end.
    """

    result: Result

    def __init__(self, steps: Generator[Step, None, Result]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        self.result = yield from self._steps


def finish(
    steps: Generator[Step, None, Result], each: Callable[[Step], object] | None = None
) -> Result:
    """Run a job to its end and return its result.

    each: called with what the job yields after each step. The job is closed when that raises.
    """
    job = Job(steps)
    try:
        for step in job:
            if each is not None:
                each(step)
    finally:
        steps.close()
    return job.result


def finish_while(
    wanted: Callable[[], bool],
    steps: Generator[Step, None, Result],
    each: Callable[[Step], object],
) -> Result | None:
    """Run a job to its end and return its result; None once it is no longer wanted.

    wanted: called before each step. each: called with what the job yields after each step.
    """
    while wanted():
        try:
            step = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        each(step)
    steps.close()
    return None


def yielding(
    other: Other, steps: Generator[object, None, Result]
) -> Generator[Other, None, Result]:
    """The same job, which yields one thing after every step instead of its own."""
    job = Job(steps)
    for _ in job:
        yield other
    return job.result


def within(
    context: Callable[[], AbstractContextManager[object]], steps: Generator[Step, None, Result]
) -> Generator[Step, None, Result]:
    """The same job, each of its steps in a context of its own.

    For what belongs to the thread, such as `torch.inference_mode`: it must not be left on while
    the job waits for its next step. context: makes one.
    """
    try:
        while True:
            with context():
                try:
                    step = next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
            yield step
    finally:
        steps.close()


def one_sentence(error: BaseException, *, memory: str, otherwise: str) -> str:
    """What to tell a person of an error.

    Errors of this package and values that are refused speak for themselves; what the system
    refuses is named with its file. memory: said when there is too little of it. otherwise: said
    when the error has nothing that a person could use.
    """
    text = " ".join(str(error).split())
    if type(error).__module__.partition(".")[0] == PACKAGE and text:
        return ended(text)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return memory
    if isinstance(error, ImportError):
        return f"A package cannot be imported ({text}): `pisam doctor` says what is missing."
    return ended(text) if isinstance(error, ValueError) and text else otherwise


def ended(text: str) -> str:
    """A text as a sentence: with a full stop where it has no end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
