"""Ctrl-C during training: the step in hand is finished first."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import torch
from lightning_fabric import Fabric

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While entered, the first Ctrl-C (or SIGTERM) only notes that somebody wants to stop.

    The second one acts as usual. Outside the main thread nothing is caught: there the caller
    closes the iterator instead.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.noted = False
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
        self.noted = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def asked(self) -> bool:
        """Whether any process of the run was asked to stop; every process gets the same answer."""
        if self.fabric.world_size == 1:
            return self.noted
        flag = torch.tensor(float(self.noted), device=self.fabric.device)
        most = self.fabric.all_reduce(flag, reduce_op="max")
        return bool(torch.as_tensor(most) > 0)
