"""The two schedulers: newest work by key, in order, one step a turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_pisam.widgets.qt.scheduler import QtScheduler
from napari_pisam.widgets.viewer.scheduling import ImmediateScheduler
from tests.widgets.gui_user import until

Steps = Callable[[], Generator[None, None, None]]


class PaintLog(QWidget):
    """A window that notes when it is painted, between the steps of work that change it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt."""
        self.log.append("painted")

    def steps(self, name: str = "step", *, count: int = 3) -> Steps:
        """Work that changes what is seen in each of its steps."""

        def work() -> Generator[None, None, None]:
            for number in range(count):
                self.log.append(f"{name} {number}")
                self.update()
                yield

        return work


@pytest.fixture
def window(qtbot: Any) -> PaintLog:
    """A window that was painted, and of which nothing is left to be."""
    made = PaintLog()
    qtbot.addWidget(made)
    made.show()
    until(lambda: "painted" in made.log, "the first repaint")
    for _ in range(10):
        QApplication.processEvents()
    made.log.clear()
    return made


@pytest.fixture
def scheduler(qapp: Any) -> Iterator[QtScheduler]:
    made = QtScheduler()
    yield made
    made.close()


def finish(scheduler: QtScheduler) -> None:
    until(lambda: scheduler.idle, "the last work")


def test_work_is_done_in_a_later_turn_of_the_loop(scheduler: QtScheduler) -> None:
    done: list[str] = []
    scheduler.request("a", lambda: done.append("a"))
    assert done == []
    assert not scheduler.idle
    finish(scheduler)
    assert done == ["a"]


def test_of_work_with_the_same_key_only_the_newest_is_done_and_once(scheduler: QtScheduler) -> None:
    done: list[int] = []
    for number in range(5):
        scheduler.request("panel", partial(done.append, number))
    finish(scheduler)
    assert done == [4]


def test_work_is_done_in_the_order_in_which_its_keys_were_requested(scheduler: QtScheduler) -> None:
    done: list[str] = []
    for key in ("points", "panel", "model", "points", "panel"):
        scheduler.request(key, partial(done.append, key))
    finish(scheduler)
    assert done == ["points", "panel", "model"]


def test_work_that_is_requested_anew_between_two_steps_begins_again_and_leaves_nothing_open(
    scheduler: QtScheduler,
) -> None:
    done: list[str] = []

    def steps(name: str) -> Generator[None, None, None]:
        try:
            done.append(f"{name} 0")
            yield
            done.append(f"{name} 1")
        finally:
            done.append(f"{name} closed")

    scheduler.request("draw", lambda: steps("old"))
    scheduler.request("other", lambda: scheduler.request("draw", lambda: steps("new")))
    finish(scheduler)
    assert done == ["old 0", "old closed", "new 0", "new 1", "new closed"]


def test_a_step_may_request_its_own_work_anew(scheduler: QtScheduler) -> None:
    done: list[str] = []

    def steps() -> Generator[None, None, None]:
        done.append("first")
        scheduler.request("draw", lambda: done.append("second"))
        yield
        done.append("never")

    scheduler.request("draw", steps)
    finish(scheduler)
    assert done == ["first", "second"]


def test_what_a_step_changes_is_painted_before_the_next_begins(
    window: PaintLog, scheduler: QtScheduler
) -> None:
    scheduler.request("a", window.steps())
    until(lambda: window.log.count("painted") == 3, "three repaints")
    assert window.log == ["step 0", "painted", "step 1", "painted", "step 2", "painted"]


def test_two_works_take_turns(window: PaintLog, scheduler: QtScheduler) -> None:
    scheduler.request("a", window.steps("a"))
    scheduler.request("b", window.steps("b"))
    finish(scheduler)
    steps = [what for what in window.log if what != "painted"]
    assert steps == ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]


def test_the_window_listens_between_two_steps(window: PaintLog, scheduler: QtScheduler) -> None:
    timer = QTimer(window)
    timer.timeout.connect(lambda: window.log.append("heard"))
    timer.start(0)
    scheduler.request("a", window.steps())
    finish(scheduler)
    timer.stop()
    for number in (1, 2):
        start, stop = (window.log.index(f"step {n}") for n in (number - 1, number))
        assert "heard" in window.log[start:stop]


def test_no_other_step_is_done_while_one_lets_the_loop_turn(scheduler: QtScheduler) -> None:
    """As napari does, which processes events in the middle of some of its calls."""
    done: list[str] = []

    def nested() -> None:
        scheduler.request("other", lambda: done.append("other"))
        for _ in range(20):
            QApplication.processEvents()
        done.append("nested")
        assert not scheduler.idle

    scheduler.request("nested", nested)
    finish(scheduler)
    assert done == ["nested", "other"]


def test_a_work_that_fails_does_not_stop_the_others(
    window: PaintLog, scheduler: QtScheduler, qtbot: Any
) -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    scheduler.request("failing", failing)
    scheduler.request("a", window.steps())
    with qtbot.capture_exceptions() as raised:
        finish(scheduler)
    assert [str(error) for _, error, _ in raised] == ["no"]
    assert "step 2" in window.log


def test_after_closing_nothing_is_done_and_no_timer_runs(
    window: PaintLog, scheduler: QtScheduler
) -> None:
    scheduler.request("a", window.steps())
    scheduler.close()
    scheduler.request("b", window.steps())
    for _ in range(20):
        QApplication.processEvents()
    assert window.log == []
    assert scheduler.idle
    assert not [timer for timer in scheduler.findChildren(QTimer) if timer.isActive()]


def test_a_scheduler_that_is_closed_by_its_own_work_stops(
    window: PaintLog, scheduler: QtScheduler
) -> None:
    def closing() -> Generator[None, None, None]:
        scheduler.close()
        yield
        window.log.append("never")

    scheduler.request("closing", closing)
    scheduler.request("a", window.steps())
    for _ in range(20):
        QApplication.processEvents()
    assert window.log == []
    assert scheduler.idle


def test_without_an_event_loop_all_steps_are_done_before_the_request_returns() -> None:
    scheduler, done = ImmediateScheduler(), list[int]()

    def steps() -> Generator[None, None, None]:
        for number in range(3):
            done.append(number)
            yield

    scheduler.request("a", steps)
    assert done == [0, 1, 2]
    assert scheduler.idle


def test_without_an_event_loop_work_that_requests_work_is_not_nested() -> None:
    scheduler, done = ImmediateScheduler(), list[int]()

    def count(number: int) -> None:
        done.append(number)
        if number:
            # Deeper than Python would let functions call each other.
            scheduler.request("count", lambda: count(number - 1))

    scheduler.request("count", lambda: count(5000))
    assert done == list(range(5000, -1, -1))


def test_without_an_event_loop_a_work_that_fails_raises_and_the_next_is_done() -> None:
    scheduler, done = ImmediateScheduler(), list[str]()

    def failing() -> None:
        scheduler.request("a", lambda: done.append("a"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        scheduler.request("failing", failing)
    scheduler.request("b", lambda: done.append("b"))
    assert done == ["a", "b"]
