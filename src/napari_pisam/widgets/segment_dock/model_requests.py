"""A session's requests on their way to the model's thread, and what comes back."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_pisam.widgets.viewer.scheduling import Scheduler

if TYPE_CHECKING:
    from napari_pisam.predict.request import SegmentRequest
    from napari_pisam.session.session import Session
    from napari_pisam.widgets.qt.runner import Runner


class ModelRequests:
    """Hands requests over once the click is drawn, and notes what the model does.

    stage: what the model's
    thread does now, "" when it rests. failure: the sentence of the last failure.
    Signals: changed(), another stage; failed(sentence).
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, session: Session, runner: Runner, scheduler: Scheduler) -> None:
        self._session, self._runner, self._scheduler = session, runner, scheduler
        self.stage = self.failure = ""

    def request(self, request: SegmentRequest) -> None:
        """Have the model begin after the click is drawn."""
        # An object that is kept before its mask has come waits for a result beside the newest one.
        self._scheduler.request(("submit", request.id), lambda: self._submit(request))

    def _submit(self, request: SegmentRequest) -> Generator[None, None, None]:
        """Drawn and computed at the same time, both would take longer."""
        # What was written to layers until this turn is painted before the next one.
        yield
        self._runner.submit(request)

    def on_stage(self, request_id: int, stage: str) -> None:
        """The model's thread begins a stage of a request."""
        # One of a request that was dropped may still have been on its way.
        if self._session.is_wanted(request_id):
            self._set_stage(stage)

    def on_failed(self, request_id: int, sentence: str) -> None:
        """A request failed, or with the number 0 the loading of the model."""
        self.failure = sentence
        if request_id:
            self._session.fail(request_id, sentence)
        else:
            self.failed.emit(sentence)
        self._set_stage("")

    def on_session(self) -> None:
        """The session has changed: perhaps nothing is awaited any more."""
        if not self._session.busy:
            self._set_stage("")

    def _set_stage(self, stage: str) -> None:
        if stage != self.stage:
            self.stage = stage
            self.changed.emit()
