"""What has to end when the panel goes, however it goes: with its dock, window or program."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QMetaObject, QObject
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari_pisam.widgets.qt.runner import Runner
    from napari_pisam.widgets.qt.scheduler import QtScheduler


class ViewerSide(Protocol):
    """What holds on to the viewer: see `viewer.workspace.Workspace`."""

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer."""
        ...


class Connections:
    """Signals, Qt's and others, and the functions that are connected to them."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def add(self, signal: Any, slot: Callable[..., object]) -> None:
        """Call `slot` with each `signal` until `close`."""
        made = signal.connect(slot)
        if isinstance(made, QMetaObject.Connection):
            # Harmless when Qt has deleted the sender, unlike disconnecting by the signal.
            self._undo.append(partial(QObject.disconnect, made))
        else:
            self._undo.append(partial(signal.disconnect, slot))

    def close(self) -> None:
        """Disconnect all of them."""
        undo, self._undo = self._undo, []
        for disconnect in undo:
            # What Qt has deleted is connected to nothing.
            with contextlib.suppress(RuntimeError):
                disconnect()


class PanelLifetime:
    """Ends what the panel has begun: `end` is called when it is destroyed, or before."""

    def __init__(
        self,
        runner: Runner,
        work: ViewerSide,
        scheduler: QtScheduler,
        *,
        connections: Connections,
    ) -> None:
        self._runner, self._work, self._scheduler = runner, work, scheduler
        self._connections = connections
        # Weakly: the panel must not keep its window alive.
        self._window: Callable[[], QWidget | None] = lambda: None

    def watch(self, panel: QWidget) -> None:
        """The panel is shown in a window, perhaps in another than before."""
        self._window = weakref.ref(top_window(panel))

    def end(self, *_: object) -> None:
        """Stop the worker, drop what was still to be done, give the viewer back."""
        self._connections.close()
        # A script that ends without closing its window: Qt has deleted everything by now.
        with contextlib.suppress(RuntimeError):
            self._scheduler.close()
            self._runner.blockSignals(True)
        self._work.close(viewer_lives=self._window_lives())
        self._runner.close(timeout=0.2)

    def _window_lives(self) -> bool:
        """Whether only the dock was closed; a window that is going is hidden or gone already."""
        window = self._window()
        try:
            return window is not None and window.isVisible()
        except RuntimeError:
            return False


def top_window(widget: QWidget) -> QWidget:
    """The window that a widget belongs to, also when its dock floats beside it."""
    window = widget.window() or widget
    parent = window.parentWidget()
    return window if parent is None else top_window(parent)
