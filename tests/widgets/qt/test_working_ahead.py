"""What the worker makes while nobody asks never stands in the way of who does."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.widgets.qt.runner import Runner
from tests.session.discs import DiscEngine, small_request
from tests.widgets.gui_user import until

STEPS = 5


class Ahead(DiscEngine):
    """Stops in its second step ahead until it is let go on; notes what it did, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[str] = []
        self.stands, self.goes_on = threading.Event(), threading.Event()

    def prepare(self) -> None:
        self.did.append("load")

    def idle(self) -> Generator[None, None, None]:
        try:
            for number in range(STEPS):
                if number == 1:
                    self.stands.set()
                    assert self.goes_on.wait(60)
                self.did.append(f"ahead {number}")
                yield
        finally:
            self.did.append("ended")

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        self.did.append(f"answer {request.id}")
        return (yield from super().steps(request))


@pytest.fixture
def engine() -> Ahead:
    return Ahead()


@pytest.fixture
def runner(qapp: Any, engine: Ahead, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setattr("napari_pisam.widgets.qt.runner.REST_SECONDS", 0.02)
    made = Runner(engine, lambda request_id: True)
    yield made
    engine.goes_on.set()
    assert made.close(60)


def test_a_question_ends_what_is_made_ahead_after_the_step_in_hand(
    runner: Runner, engine: Ahead
) -> None:
    runner.submit(small_request(1))
    until(engine.stands.is_set, "working ahead")
    runner.submit(small_request(2))
    engine.goes_on.set()
    until(lambda: "answer 2" in engine.did, "the second answer")
    wanted = ["answer 1", "ahead 0", "ahead 1", "ended", "answer 2"]
    assert engine.did[: len(wanted)] == wanted


def test_another_model_is_loaded_before_more_is_made_ahead_for_the_old_one(
    runner: Runner, engine: Ahead
) -> None:
    runner.submit(small_request(1))
    until(engine.stands.is_set, "working ahead")
    other = Ahead()
    runner.use(other)
    engine.goes_on.set()
    until(lambda: other.did == ["load"], "loading the other model")
    assert engine.did == ["answer 1", "ahead 0", "ahead 1", "ended"]


def test_closing_does_not_wait_for_what_is_made_ahead(qapp: Any, engine: Ahead) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_pisam.widgets.qt.runner.REST_SECONDS", 0.02)
        made = Runner(engine, lambda request_id: True)
        made.submit(small_request(1))
        until(engine.stands.is_set, "working ahead")
        threading.Timer(0.05, engine.goes_on.set).start()
        assert made.close(60)
    assert engine.did == ["answer 1", "ahead 0", "ahead 1", "ended"]


def test_what_fails_ahead_is_told_to_nobody_and_the_next_question_is_answered(
    runner: Runner, engine: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    runner.finished.connect(lambda result: told.append(result.request_id))
    runner.failed.connect(lambda *failure: told.append(failure))
    failed = threading.Event()

    def fail() -> Generator[None, None, None]:
        failed.set()
        raise RuntimeError("no memory left")
        yield

    monkeypatch.setattr(engine, "idle", fail)
    runner.submit(small_request(1))
    until(failed.is_set, "working ahead")
    runner.submit(small_request(2))
    until(lambda: len(told) == 2, "the second answer")
    assert told == [1, 2]
