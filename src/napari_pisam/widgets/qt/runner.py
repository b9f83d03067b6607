"""One worker thread: the newest click wins, nothing that nobody waits for is computed.

Requests come from the main thread and results go there, by queued Qt signals. It stops
between two steps of a result as soon as the result is no longer wanted. When it has been left
alone for a moment after a result, it works ahead for the correction that may follow.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_pisam.jobs import finish_while
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.widgets.viewer.model_loading import SegmentEngine, sentence_of

logger = logging.getLogger(__name__)

REST_SECONDS = 0.5
"""The thread works ahead once nothing was requested for so long."""


class Runner(QObject):
    """Runs requests one after the other in a thread of its own.

    is_wanted: says whether a request is still open; called from the thread. Signals, all on the
    main thread: finished(SegmentResult), failed(request id or 0 for none, sentence),
    stage(request id, word).
    """

    finished = Signal(object)
    failed = Signal(int, str)
    stage = Signal(int, str)

    def __init__(self, engine: SegmentEngine, is_wanted: Callable[[int], bool]) -> None:
        super().__init__()
        self._engine = engine
        self._is_wanted = is_wanted
        self._waiting: deque[SegmentRequest] = deque()
        self._prepare = self._ahead = False
        self._wake = threading.Condition()
        self._closing = False
        # Not a daemon: at its end Python takes down what a running computation still uses.
        self._thread = threading.Thread(target=self._run, name="pi-sam", daemon=False)
        self._thread.start()

    def submit(self, request: SegmentRequest) -> None:
        """Put a request in the line; those that nobody wants any more leave it."""
        with self._wake:
            self._waiting = deque(a for a in self._waiting if self._is_wanted(a.id))
            self._waiting.append(request)
            self._wake.notify()

    def use(self, engine: SegmentEngine) -> None:
        """Use another model from the next request on."""
        with self._wake:
            self._engine = engine
        self.prepare()

    def prepare(self) -> None:
        """Load the model while nobody waits for it; a request that comes first loads it too."""
        with self._wake:
            self._prepare = True
            self._wake.notify()

    def close(self, timeout: float = 2.0) -> bool:
        """Stop at the next step; returns whether the thread ended in time."""
        with self._wake:
            self._closing = True
            self._waiting.clear()
            self._wake.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                rested = False
                while not (self._wanted or rested):
                    rested = not self._wake.wait(REST_SECONDS) and self._ahead
                    # A script may end without closing anything.
                    self._closing |= not threading.main_thread().is_alive()
                if self._closing:
                    return
                rested &= not self._wanted
                engine, self._prepare, self._ahead = self._engine, False, False
                request = self._waiting.popleft() if self._waiting else None
            if rested:
                self._work_ahead(engine)
            elif request is None:
                self._load(engine)
            elif self._is_wanted(request.id):
                self._segment(request, engine)

    @property
    def _wanted(self) -> bool:
        return bool(self._waiting) or self._prepare or self._closing

    def _work_ahead(self, engine: SegmentEngine) -> None:
        """Nobody asked for it, so a request ends it and an error is only logged."""
        try:
            for _ in engine.idle():
                if self._wanted:
                    return
        except Exception:
            logger.warning("Working ahead failed.", exc_info=True)

    def _load(self, engine: SegmentEngine) -> None:
        try:
            engine.prepare()
        except Exception as error:
            logger.warning("The model could not be loaded.", exc_info=True)
            self._emit(self.failed, 0, sentence_of(error))

    def _segment(self, request: SegmentRequest, engine: SegmentEngine) -> None:
        try:
            result = self._steps(request, engine)
        except Exception as error:
            logger.warning("A request to the model failed.", exc_info=True)
            self._emit(self.failed, request.id, sentence_of(error))
        else:
            if result is not None:
                self._ahead = True
                self._emit(self.finished, result)

    def _steps(self, request: SegmentRequest, engine: SegmentEngine) -> SegmentResult | None:
        return finish_while(
            lambda: not self._closing and self._is_wanted(request.id),
            engine.steps(request),
            lambda word: self._emit(self.stage, request.id, word),
        )

    def _emit(self, signal: Any, *values: object) -> None:
        if self._closing:
            return
        try:
            signal.emit(*values)
        except RuntimeError:
            # The window was closed between the request and the result.
            self._closing = True
