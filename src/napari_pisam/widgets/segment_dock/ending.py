"""What must stop when the panel goes, however it goes: with its dock, window or program."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable

from qtpy.QtWidgets import QWidget

from napari_pisam.widgets.qt.runner import Runner
from napari_pisam.widgets.qt.scheduler import QtScheduler
from napari_pisam.widgets.viewer.workspace import Workspace


class Ending:
    """What must stop when the panel is destroyed."""

    def __init__(self, runner: Runner, work: Workspace, scheduler: QtScheduler) -> None:
        self._runner, self._work, self._scheduler = runner, work, scheduler
        # Weakly: the panel must not keep its window alive.
        self._window: Callable[[], QWidget | None] = lambda: None

    def watch(self, panel: QWidget) -> None:
        """The panel is shown in a window, perhaps in another than before."""
        self._window = weakref.ref(top_window(panel))

    def end(self, *_: object) -> None:
        """Stop the worker, give the viewer and its window back."""
        # A script that ends without closing its window: Qt has deleted everything by now.
        with contextlib.suppress(RuntimeError):
            self._scheduler.close()
            self._runner.blockSignals(True)
        for signal in (self._work.changed, self._work.message, self._work.hovered):
            signal.disconnect()
        self._work.bridge.image_changed.disconnect()
        self._work.bridge.layers_changed.disconnect()
        self._work.session.requested.disconnect()
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
