"""Ctrl-C during training: the current step is finished first."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

import torch
from lightning_fabric import Fabric

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_REQUEST = 2.0
"""Seconds within which signals count as one request: a terminal sends one to every process of a
run, and torchrun then sends it to its own again."""


class StopRequest:
    """While entered, the first Ctrl-C (or SIGTERM) only notes the request to stop.

    A second one, later than ONE_REQUEST, acts as usual. Outside the main thread nothing is caught:
    there the caller closes the iterator instead.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.noted_at: float | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self.before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.noted_at is None:
            self.noted_at = now
        elif now - self.noted_at > ONE_REQUEST:
            self._restore()
            signal.raise_signal(signal.Signals(number))

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def requested(self) -> bool:
        """Whether any process of the run was asked to stop; the same in every process."""
        if self.fabric.world_size == 1:
            return self.noted_at is not None
        flag = torch.tensor(float(self.noted_at is not None), device=self.fabric.device)
        most = self.fabric.all_reduce(flag, reduce_op="max")
        return bool(torch.as_tensor(most) > 0)
