"""How long napari alone needs to draw its window again: what no plugin can be quicker than.

One layer is changed, nothing of the plugin is open; at rest, and while the model computes in a
thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REPAINTS = 40
LEFT_OUT = 10
"""The first ones, which compile shaders."""
PAUSE_SECONDS = 0.02


def repaints(layer: Any) -> list[float]:
    """Seconds of each repaint of the window after a change of a layer's opacity."""
    from qtpy.QtWidgets import QApplication

    seconds = []
    for number in range(LEFT_OUT + REPAINTS):
        end = time.perf_counter() + PAUSE_SECONDS
        while time.perf_counter() < end:
            QApplication.processEvents()
            time.sleep(0.001)
        layer.opacity = 0.99 if number % 2 else 1.0
        begun = time.perf_counter()
        QApplication.processEvents()
        seconds.append(time.perf_counter() - begun)
    return seconds[LEFT_OUT:]


@contextmanager
def model_at_work(pixels: Any, places: Any) -> Iterator[None]:
    """The model segments one click after the other in its thread, as it does for people."""
    from napari_pisam.images.source import ArraySource
    from napari_pisam.predict.request import SegmentRequest
    from napari_pisam.prompts import Click, Prompt
    from napari_pisam.widgets.qt.runner import Runner
    from napari_pisam.widgets.viewer.model_loading import engine_for

    source = ArraySource(pixels)
    runner = Runner(engine_for("pisam-tiny"), lambda request_id: True)
    begun: list[int] = []
    runner.stage.connect(lambda request_id, word: begun.append(request_id))
    try:
        for number, (y, x) in enumerate(places):
            prompt = Prompt(points=(Click(float(y), float(x), True),))
            runner.submit(SegmentRequest(number + 1, source, "tissue", prompt))
        _until_second_request(begun)
        yield
    finally:
        runner.close(timeout=20)


def _until_second_request(begun: list[int]) -> None:
    """Until torch is imported and the model loaded."""
    from qtpy.QtWidgets import QApplication

    while not begun or begun[-1] < 2:
        QApplication.processEvents()
        time.sleep(0.002)
