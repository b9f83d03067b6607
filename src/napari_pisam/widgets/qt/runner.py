"""One worker thread: the newest click wins, nothing that nobody waits for is computed.

The thread is asked on the main thread and answers there too, by queued Qt signals. It stops
between two steps of an answer as soon as the answer is no longer wanted. When it has been left
alone for a moment after an answer, it works ahead for the correction that may follow.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_pisam.jobs import ended, finish_while, one_sentence
from napari_pisam.session.answer import Answer
from napari_pisam.session.plane import Ask

logger = logging.getLogger(__name__)

# The window is drawn before the model gets the processor; on Linux a thread has its own niceness.
WORKER_NICENESS = 15
# Drawing lets go of Python's lock at every call of the graphics driver, and waits this long each
# time that the model's thread has taken it; Python's own 5 ms add up to a window that stands still.
SWITCH_SECONDS = 0.0005
LOOK_ROUND_SECONDS = 0.5


class Answers(Protocol):
    """What the thread runs: see `session.engine.Engine`."""

    def answer(self, ask: Ask) -> Generator[str, None, Answer]:
        """Answer one question in steps; yields the name of each."""
        ...

    def prepare(self) -> None:
        """Load what the first answer needs."""
        ...

    def idle(self) -> Generator[None, None, None]:
        """Work ahead, in steps, for what may be asked after the latest answer."""
        ...


class Runner(QObject):
    """Runs questions one after the other in a thread of its own.

    is_wanted: says whether a question is still open; asked from the thread. Signals, all on the
    main thread: answered(Answer), failed(ask id or 0 for none, sentence), stage(ask id, word).
    """

    answered = Signal(object)
    failed = Signal(int, str)
    stage = Signal(int, str)

    def __init__(self, engine: Answers, is_wanted: Callable[[int], bool]) -> None:
        super().__init__()
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        self._engine = engine
        self._is_wanted = is_wanted
        self._waiting: deque[Ask] = deque()
        self._prepare = self._ahead = False
        self._wake = threading.Condition()
        self._closing = False
        # Not a daemon: Python would pull the floor from under a computation when it ends.
        self._thread = threading.Thread(target=self._run, name="pi-sam", daemon=False)
        self._thread.start()

    def submit(self, ask: Ask) -> None:
        """Put a question in the line; those that nobody wants any more leave it."""
        with self._wake:
            self._waiting = deque(a for a in self._waiting if self._is_wanted(a.id))
            self._waiting.append(ask)
            self._wake.notify()

    def use(self, engine: Answers) -> None:
        """Answer with another model from the next question on."""
        with self._wake:
            self._engine = engine
        self.prepare()

    def prepare(self) -> None:
        """Load the model while nobody waits for it; a question that comes first loads it too."""
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
        _yield_to_the_window()
        while True:
            with self._wake:
                rested = False
                while not (self._wanted or rested):
                    rested = not self._wake.wait(LOOK_ROUND_SECONDS) and self._ahead
                    # A script may end without closing anything.
                    self._closing |= not threading.main_thread().is_alive()
                if self._closing:
                    return
                rested &= not self._wanted
                engine, self._prepare, self._ahead = self._engine, False, False
                ask = self._waiting.popleft() if self._waiting else None
            if rested:
                self._work_ahead(engine)
            elif ask is None:
                self._load(engine)
            elif self._is_wanted(ask.id):
                self._answer(ask, engine)

    @property
    def _wanted(self) -> bool:
        return bool(self._waiting) or self._prepare or self._closing

    def _work_ahead(self, engine: Answers) -> None:
        """Nobody asked for it, so a question ends it and an error is not told."""
        try:
            for _ in engine.idle():
                if self._wanted:
                    return
        except Exception:
            logger.warning("Working ahead failed.", exc_info=True)

    def _load(self, engine: Answers) -> None:
        try:
            engine.prepare()
        except Exception as error:
            logger.warning("The model could not be loaded.", exc_info=True)
            self._tell(self.failed, 0, sentence_of(error))

    def _answer(self, ask: Ask, engine: Answers) -> None:
        try:
            answer = self._steps(ask, engine)
        except Exception as error:
            logger.warning("A question to the model failed.", exc_info=True)
            self._tell(self.failed, ask.id, sentence_of(error))
        else:
            if answer is not None:
                self._ahead = True
                self._tell(self.answered, answer)

    def _steps(self, ask: Ask, engine: Answers) -> Answer | None:
        return finish_while(
            lambda: not self._closing and self._is_wanted(ask.id),
            engine.answer(ask),
            lambda word: self._tell(self.stage, ask.id, word),
        )

    def _tell(self, signal: Any, *values: object) -> None:
        if self._closing:
            return
        try:
            signal.emit(*values)
        except RuntimeError:
            # The window was closed between the question and the answer.
            self._closing = True


def sentence_of(error: Exception) -> str:
    """What to tell the person about an error: its own first sentence, else what kind it is."""
    first = str(error).strip().partition("\n")[0]
    return one_sentence(
        error,
        memory="There is not enough memory for this model: choose a smaller one.",
        otherwise=ended(first or f"The model could not answer ({type(error).__name__})"),
    )


def _yield_to_the_window() -> None:
    """Let the main thread go first where the system can tell threads apart."""
    if sys.platform.startswith("linux"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), WORKER_NICENESS)
        except OSError:
            logger.debug("The worker thread keeps its priority.")
