"""Work in steps: run to its end or stopped between two, and errors as one sentence."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.images.source import ImageError
from napari_pisam.jobs import (
    Job,
    Progress,
    ended,
    finish,
    finish_while,
    one_sentence,
    within,
    yielding,
)


class Counting:
    """A job that counts to a number and returns its square; knows whether it was closed early."""

    def __init__(self, end: int) -> None:
        self.end, self.closed = end, False

    def steps(self) -> Generator[int, None, int]:
        try:
            yield from range(1, self.end + 1)
        except GeneratorExit:
            self.closed = True
            raise
        return self.end**2


@given(end=st.integers(0, 9))
def test_a_job_run_to_its_end_passes_on_each_step_and_gives_its_result(end: int) -> None:
    seen: list[int] = []
    assert finish(Counting(end).steps(), seen.append) == end**2
    assert seen == list(range(1, end + 1))
    assert finish(Counting(end).steps()) == end**2


def test_a_job_is_closed_when_whoever_watches_it_fails() -> None:
    job = Counting(5)
    steps = job.steps()

    def fail_at_3(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(steps, fail_at_3)
    assert job.closed


@given(end=st.integers(0, 9), wanted=st.integers(0, 12))
def test_a_job_that_nobody_wants_any_more_is_closed_between_two_steps(
    end: int, wanted: int
) -> None:
    job, seen = Counting(end), list[int]()
    # held here, so that it is not closed for want of a reference
    steps = job.steps()
    result = finish_while(lambda: len(seen) < wanted, steps, seen.append)
    assert seen == list(range(1, min(end, wanted) + 1))
    assert result == (end**2 if wanted > end else None)
    assert job.closed == (0 < wanted <= end)


def test_the_result_of_a_job_is_there_once_it_has_ended() -> None:
    job = Job(Counting(2).steps())
    steps = iter(job)
    assert next(steps) == 1
    with pytest.raises(AttributeError):
        _ = job.result
    assert list(steps) == [2]
    assert job.result == 4


def test_a_job_may_yield_another_thing_and_keeps_its_result() -> None:
    seen: list[str] = []
    assert finish(yielding("block", Counting(3).steps()), seen.append) == 9
    assert seen == ["block"] * 3


def test_a_job_is_in_its_context_during_a_step_and_never_between_two() -> None:
    inside: list[bool] = []

    @contextmanager
    def context() -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    def steps() -> Generator[int, None, str]:
        for number in range(3):
            assert inside == [True]
            yield number
        assert inside == [True]
        return "done"

    seen: list[tuple[int, bool]] = []
    assert finish(within(context, steps()), lambda n: seen.append((n, bool(inside)))) == "done"
    assert seen == [(0, False), (1, False), (2, False)]
    assert not inside


def test_closing_a_job_closes_the_one_that_it_is_made_of() -> None:
    for wrapped in (
        lambda steps: yielding(0, steps),
        lambda steps: within(contextmanager(lambda: iter([None])), steps),
    ):
        job = Counting(3)
        outer = wrapped(job.steps())
        next(outer)
        outer.close()
        assert job.closed


def test_two_reports_of_the_same_progress_are_equal() -> None:
    assert Progress(1, 2) == Progress(1, 2, "", figures={}, seconds=0.0)
    assert Progress(1).total is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ImageError("Ours,\n  out of memory or not."), "Ours, out of memory or not."),
        (ValueError("a value"), "a value."),
        (ValueError("what now?"), "what now?"),
        (ValueError(), "Else."),
        (OSError(30, "Read-only file system", "/x"), "/x: Read-only file system."),
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError("no number"), "Else."),
        (MemoryError(), "Less."),
        (RuntimeError("CUDA Out Of Memory. Tried"), "Less."),
        (ImportError("No module named 'zarr'"), "(No module named 'zarr'): `pisam doctor`"),
        (KeyError("bug"), "Else."),
    ],
)
def test_an_error_becomes_one_sentence(error: Exception, sentence: str) -> None:
    sentence_found = one_sentence(error, memory="Less.", otherwise="Else.")
    assert sentence in sentence_found
    assert "\n" not in sentence_found


@given(text=st.text())
def test_a_sentence_has_an_end(text: str) -> None:
    assert ended(text)[-1] in ".!?"
    assert ended(text).startswith(text)
    assert ended(ended(text)) == ended(text)
