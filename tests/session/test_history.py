"""Undo without limit in steps, within a limit of memory."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.prompts import Click
from napari_pisam.session.active_object import ActiveObject
from napari_pisam.session.history import History, Step
from tests.session.test_session import Desktop

WEIGHT = 10


def an_object(number: int) -> ActiveObject:
    result: Any = SimpleNamespace(nbytes=WEIGHT, prompt=None)
    return ActiveObject(number, result=result)


@given(count=st.integers(1, 12), room=st.integers(0, 12))
def test_the_newest_results_are_kept_in_memory_and_the_oldest_forgotten_but_no_step_is(
    count: int, room: int
) -> None:
    history = History(max_bytes=room * WEIGHT)
    for number in range(count):
        history.push(Step(number, "click", an_object(number), an_object(number + 1)))
    done = history.done
    assert [step.id for step in done] == list(range(count))
    known = [step.before.result is not None for step in done]
    assert known == [number >= count - room for number in range(count)]
    # what comes after a step is what comes before the next one
    for step, following in pairwise(done):
        assert (step.after.result is None) == (following.before.result is None)


@given(st.lists(st.sampled_from(["push", "undo", "redo"]), max_size=30))
def test_undo_and_redo_go_along_the_line_one_step_at_a_time(moves: list[str]) -> None:
    history, line, at = History(), list[int](), 0
    for number, move in enumerate(moves):
        if move == "push":
            line[at:] = [number]
            at += 1
            history.push(Step(number, "click", ActiveObject(number), ActiveObject(number + 1)))
        else:
            step = history.undo() if move == "undo" else history.redo()
            place = at - 1 if move == "undo" else at
            assert (step.id if step else None) == (line[place] if 0 <= place < len(line) else None)
            at += 0 if step is None else -1 if move == "undo" else 1
        assert [step.id for step in history.done] == line[:at]
        assert [step.id for step in reversed(history.undone)] == line[at:]


def test_going_back_to_a_forgotten_result_requests_it_again() -> None:
    desktop = Desktop()
    (state,) = desktop.session.plane_states
    state.history = History(max_bytes=1)
    for x in (50, 58, 66):
        desktop.session.click(Click(50, x, None))
    requested = desktop.requests
    desktop.session.undo()
    assert desktop.requests == requested + 1
    assert desktop.prompt.corrections == (Click(50, 58, False),)
    assert not desktop.covers(50, 58)
