"""The worker thread."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator
from typing import Any

import pytest

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.widgets.qt.runner import Runner
from napari_pisam.widgets.viewer.model_loading import sentence_of
from tests.session.discs import DiscEngine, small_request
from tests.widgets.gui_user import until


class Steps(DiscEngine):
    """Stops at a gate between two steps and notes what it did."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.begun, self.closed = threading.Event(), list[int](), list[int]()
        self.threads: set[str] = set()
        self.ahead, self.resting, self.pause = 0, threading.Event(), threading.Event()

    def idle(self) -> Generator[None, None, None]:
        for _ in range(3):
            self.ahead += 1
            yield
            self.resting.set()
            self.pause.wait(20)

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        self.begun.append(request.id)
        self.threads.add(threading.current_thread().name)
        try:
            yield "read"
            self.gate.wait(20)
            yield "encode"
            return (yield from super().steps(request))
        except GeneratorExit:
            self.closed.append(request.id)
            raise


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def wanted() -> set[int]:
    return set(range(100))


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def runner(qapp: Any, steps: Steps, wanted: set[int], told: list[Any]) -> Any:
    made = Runner(steps, wanted.__contains__)
    made.finished.connect(
        lambda result: told.append((result.request_id, threading.current_thread()))
    )
    made.failed.connect(lambda number, sentence: told.append((number, sentence)))
    yield made
    steps.gate.set()
    assert made.close(20)


def test_answers_come_on_the_main_thread_from_one_other(
    runner: Runner, steps: Steps, told: list[Any]
) -> None:
    steps.gate.set()
    runner.submit(small_request(1))
    runner.submit(small_request(2))
    until(lambda: len(told) == 2)
    assert told == [(1, threading.main_thread()), (2, threading.main_thread())]
    assert steps.threads == {"pi-sam"}


def test_what_nobody_wants_is_left_at_the_next_step_or_not_begun(
    runner: Runner, steps: Steps, wanted: set[int], told: list[Any]
) -> None:
    runner.submit(small_request(1))
    until(lambda: steps.begun == [1])
    runner.submit(small_request(2))
    wanted -= {1, 2}
    runner.submit(small_request(3))
    steps.gate.set()
    until(lambda: len(told) == 1)
    assert told[0][0] == 3
    assert steps.begun == [1, 3]
    assert steps.closed == [1]


def test_an_error_is_a_sentence_and_the_next_question_is_answered(
    runner: Runner, steps: Steps, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.gate.set()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "steps", lambda request: 1 / 0)
        runner.submit(small_request(1))
        until(lambda: len(told) == 1)
    runner.submit(small_request(2))
    until(lambda: len(told) == 2)
    assert told[0] == (1, "division by zero.")
    assert told[1][0] == 2


def test_when_nobody_asks_after_an_answer_it_works_ahead_once(
    runner: Runner, steps: Steps, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_pisam.widgets.qt.runner.REST_SECONDS", 0.02)
    steps.gate.set()
    steps.pause.set()
    runner.submit(small_request(1))
    until(lambda: steps.ahead == 3)
    assert [number for number, _ in told] == [1]
    runner.submit(small_request(2))
    until(lambda: steps.ahead == 6)
    assert steps.begun == [1, 2]


def test_a_question_ends_the_working_ahead_at_the_next_step(
    runner: Runner, steps: Steps, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_pisam.widgets.qt.runner.REST_SECONDS", 0.02)
    steps.gate.set()
    runner.submit(small_request(1))
    until(steps.resting.is_set)
    runner.submit(small_request(2))
    steps.pause.set()
    until(lambda: len(told) == 2)
    # two steps after the first result, all three after the second, which nothing follows
    until(lambda: steps.ahead == 5)
    assert [number for number, _ in told] == [1, 2]


def test_a_model_that_does_not_load_is_told(
    runner: Runner, steps: Steps, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare() -> None:
        raise FileNotFoundError("There is no such file.\nAnd more.")

    monkeypatch.setattr(steps, "prepare", prepare)
    runner.prepare()
    until(lambda: len(told) == 1)
    assert told == [(0, "There is no such file.")]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("Choose another."), "Choose another."),
        (ValueError("no full stop"), "no full stop."),
        (KeyError(), "The model failed (KeyError)."),
        (RuntimeError("CUDA out of memory. Tried"), "There is not enough memory for this model"),
        (MemoryError(), "There is not enough memory for this model"),
    ],
)
def test_sentences(error: Exception, sentence: str) -> None:
    assert sentence_of(error).startswith(sentence)


FORGETFUL = """
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari_pisam.widgets.qt.runner import Runner
runner = Runner(None, lambda request_id: True)
"""


def test_a_script_that_closes_nothing_ends_all_the_same() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORGETFUL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
