"""Makes the pictures of docs/plugin.md from the real window: `tox run -e screenshots`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_pisam.session.answer import Answer
from napari_pisam.session.engine import Engine
from napari_pisam.session.plane import Ask
from napari_pisam.widgets.segment_dock.model_loading import engine_for
from tests.widgets.conftest import Opener
from tests.widgets.hands import Hands, until

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COINS = ((274, 358), (51, 215), (126, 102))
CORRECTION = (-14.0, -5.0)
"""From the click on the first coin to where it leaves a hole."""
COLOURS = 256
"""Of a picture in the pages: enough for a window, and a quarter of the bytes."""
PATIENCE_SECONDS = 300
SCALE = "QT_SCALE_FACTOR"

pytestmark = pytest.mark.screenshots


class Held:
    """The embedded model, whose answers wait until they are let go."""

    def __init__(self) -> None:
        self._engine: Engine = engine_for("pisam-tiny")
        self.go = threading.Event()

    def prepare(self) -> None:
        self._engine.prepare()

    def idle(self) -> Generator[None, None, None]:
        yield from self._engine.idle()

    def answer(self, ask: Ask) -> Generator[str, None, Answer]:
        yield "look"
        self.go.wait(PATIENCE_SECONDS)
        return (yield from self._engine.answer(ask))


def open_coins(open_panel: Opener, *, engine: Any = None, size: tuple[int, int]) -> Hands:
    """The window with the coins of scikit-image."""
    samples: Any = skimage.data
    hands = open_panel(samples.coins(), engine=engine or engine_for("pisam-tiny"), name="coins")
    hands.viewer.window.resize(*size)
    settle()
    hands.viewer.reset_view()
    return hands


def settle() -> None:
    for _ in range(20):
        QApplication.processEvents()


def go_near(hands: Hands, place: tuple[float, float], zoom: float) -> None:
    """The person looks at one object from near."""
    hands.widget.bridge.camera.center = place
    hands.widget.bridge.camera.zoom = zoom
    settle()


def click(hands: Hands, place: tuple[float, float]) -> None:
    hands.click(*place)
    hands.widget.wait_idle(PATIENCE_SECONDS)


def keep_or_drop(hands: Hands) -> None:
    """Keep what the model found; whether it found anything is not what a picture is about."""
    answer = hands.widget.answer
    found = answer is not None and answer.mask.mask.any()
    hands.press(Qt.Key.Key_Return if found else Qt.Key.Key_Escape)
    hands.wait()


def shoot(hands: Hands, name: str) -> None:
    """Write a picture of the whole window."""
    settle()
    shown = Image.fromarray(hands.viewer.screenshot(canvas_only=False, flash=False))
    PICTURES.mkdir(exist_ok=True)
    # By how far colours lie apart, so that the few that mean something are kept.
    small = shown.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3)
    small.save(PICTURES / f"{name}.png", optimize=True)


def test_from_the_first_click_to_kept_objects(open_panel: Opener) -> None:
    hands = open_coins(open_panel, size=(1300, 850))
    shoot(hands, "empty")
    first = COINS[0]
    go_near(hands, first, 5.0)
    click(hands, first)
    shoot(hands, "prompt")
    hands.press(Qt.Key.Key_U)
    hands.wait()
    shoot(hands, "unsure")
    hands.press(Qt.Key.Key_U)
    click(hands, (first[0] + CORRECTION[0], first[1] + CORRECTION[1]))
    shoot(hands, "correction")
    keep_or_drop(hands)
    hands.viewer.reset_view()
    settle()
    for place in COINS[1:]:
        click(hands, place)
        keep_or_drop(hands)
    shoot(hands, "kept")
    hands.viewer.theme = "light"
    click(hands, (55, 272))
    shoot(hands, "light")


def test_busy_and_error(open_panel: Opener) -> None:
    engine = Held()
    hands = open_coins(open_panel, engine=engine, size=(1300, 850))
    go_near(hands, COINS[0], 5.0)
    hands.viewer.window._status_bar._toggle_activity_dock(True)
    hands.move(*COINS[0])
    hands.click(*COINS[0])
    until(lambda: hands.widget._bar._bar is not None, "the bar in the activity dock")
    shoot(hands, "busy")
    engine.go.set()
    hands.widget.wait_idle(PATIENCE_SECONDS)
    hands.viewer.window._status_bar._toggle_activity_dock(False)
    hands.widget.labels = hands.viewer.add_labels(np.zeros((50, 60), np.uint8), name="other size")
    hands.viewer.layers.selection.active = hands.widget.prompts
    hands.press(Qt.Key.Key_Return)
    hands.wait()
    shoot(hands, "error")


def test_a_narrow_dock(open_panel: Opener) -> None:
    hands = open_coins(open_panel, size=(1100, 1000))
    widget: Any = hands.widget
    dock = widget.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    window = hands.viewer.window._qt_window
    window.resizeDocks([dock], [350], Qt.Orientation.Horizontal)
    for place in COINS[:2]:
        click(hands, place)
        keep_or_drop(hands)
    click(hands, COINS[2])
    for section in widget.panel.sections[1:]:
        section.expand()
    settle()
    assert 340 <= dock.width() <= 360
    shoot(hands, "narrow")


def test_at_200_percent(open_panel: Opener) -> None:
    if os.environ.get(SCALE) != "2":
        # Qt reads the factor when it starts, and so large a window needs a larger screen.
        here = [str(Path(__file__)), "-m", "screenshots", "-k", "at_200_percent", "-p"]
        command = [sys.executable, "-m", "pytest", *here, "no:cacheprovider"]
        screen = ["-o", "xvfb_width=2600", "-o", "xvfb_height=1700"]
        done = subprocess.run(
            [*command, *screen], env={**os.environ, SCALE: "2"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return
    hands = open_coins(open_panel, size=(1300, 850))
    go_near(hands, COINS[0], 5.0)
    click(hands, COINS[0])
    shoot(hands, "at-200-percent")
