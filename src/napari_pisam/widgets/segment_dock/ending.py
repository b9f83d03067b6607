"""What must stop when the panel goes, however it goes: with its dock, window or program."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable

from qtpy.QtWidgets import QWidget

from napari_pisam.widgets.qt.pictures import Pictures, top_window
from napari_pisam.widgets.qt.runner import Runner
from napari_pisam.widgets.viewer.workspace import Workspace


class Ending:
    """What must stop when the panel is destroyed."""

    def __init__(self, runner: Runner, work: Workspace) -> None:
        self._runner, self._work = runner, work
        # Weakly: the panel must not keep its window alive.
        self._window: Callable[[], QWidget | None] = lambda: None
        self._pictures: Pictures | None = None

    def watch(self, panel: QWidget) -> None:
        """The panel is shown in a window, perhaps in another than before."""
        window = top_window(panel)
        if window is not self._window():
            self._let_go()
            self._window, self._pictures = weakref.ref(window), Pictures(window)

    @property
    def picture_waits(self) -> bool:
        """Whether the window is still to be drawn."""
        return self._pictures is not None and self._pictures.waiting

    def _let_go(self) -> None:
        # Qt may have deleted it with its window.
        with contextlib.suppress(RuntimeError):
            if self._pictures is not None:
                self._pictures.end()
        self._pictures = None

    def end(self, *_: object) -> None:
        """Stop the worker, give the viewer and its window back."""
        self._let_go()
        # A script that ends without closing its window: Qt has deleted everything by now.
        with contextlib.suppress(RuntimeError):
            self._runner.blockSignals(True)
        for signal in (self._work.changed, self._work.message, self._work.hovered):
            signal.disconnect()
        self._work.bridge.image_changed.disconnect()
        self._work.bridge.layers_changed.disconnect()
        self._work.session.asked.disconnect()
        self._work.close(viewer_lives=self._window_lives())
        self._runner.close(timeout=0.2)

    def _window_lives(self) -> bool:
        """Whether only the dock was closed; a window that is going is hidden or gone already."""
        window = self._window()
        try:
            return window is not None and window.isVisible()
        except RuntimeError:
            return False
