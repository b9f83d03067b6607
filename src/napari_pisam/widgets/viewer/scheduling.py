"""Work for a later turn of the event loop, of which only the newest request by key is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Protocol

Work = Callable[[], object]
"""A function without arguments; one that returns a generator is work in several steps."""


class Scheduler(Protocol):
    """Does work later on the main thread; whoever requests it need not remember that it did.

    idle: whether no work waits and none is under way.
    """

    @property
    def idle(self) -> bool:
        """Whether no work waits and none is under way."""
        ...

    def request(self, key: Hashable, work: Work) -> None:
        """Do `work` once, after what was requested before.

        It replaces work of the same key that waits or is between two steps, and takes its turn.
        Of a generator one step is done each turn, and several works take turns. The main thread
        only.
        """
        ...


class WorkQueue:
    """The works that wait, by key, in the order in which they are to be done."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Work | Generator[object, None, object]] = {}
        self._running = False

    @property
    def running(self) -> bool:
        """Whether a step is being done at this moment."""
        return self._running

    @property
    def empty(self) -> bool:
        """Whether no work waits; one that is being done does not count."""
        return not self._waiting

    def put(self, key: Hashable, work: Work) -> None:
        """Add a work, in the place of one with the same key if there is one."""
        before = self._waiting.get(key)
        self._waiting[key] = work
        if isinstance(before, Generator):
            before.close()

    def step(self) -> None:
        """Do one step of the first work; its next one waits behind all others."""
        key = next(iter(self._waiting))
        work = self._waiting.pop(key)
        self._running = True
        try:
            steps = work if isinstance(work, Generator) else work()
            if isinstance(steps, Generator) and next(steps, self) is not self:
                self._put_back(key, steps)
        finally:
            self._running = False

    def _put_back(self, key: Hashable, steps: Generator[object, None, object]) -> None:
        if key in self._waiting:
            # The step itself has requested the work anew.
            steps.close()
        else:
            self._waiting[key] = steps

    def clear(self) -> None:
        """Drop all works that wait."""
        waiting, self._waiting = self._waiting, {}
        for work in waiting.values():
            if isinstance(work, Generator):
                work.close()


class ImmediateScheduler:
    """Does work at once: for scripts, where there is no event loop.

    Work that is requested by a work is done after it, before the outermost `request` returns.
    """

    def __init__(self) -> None:
        self._queue = WorkQueue()

    @property
    def idle(self) -> bool:
        """See Scheduler."""
        return self._queue.empty and not self._queue.running

    def request(self, key: Hashable, work: Work) -> None:
        """See Scheduler. What a work raises is raised here; the others are done with the next."""
        self._queue.put(key, work)
        while not (self._queue.running or self._queue.empty):
            self._queue.step()
