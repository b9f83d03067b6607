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

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.session.engine import Engine
from napari_pisam.widgets.viewer.model_loading import engine_for
from tests.widgets.conftest import Opener
from tests.widgets.gui_user import GuiUser, until

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

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        yield "trial"
        self.go.wait(PATIENCE_SECONDS)
        return (yield from self._engine.steps(request))


def open_coins(open_panel: Opener, *, engine: Any = None, size: tuple[int, int]) -> GuiUser:
    """The window with the coins of scikit-image."""
    samples: Any = skimage.data
    user = open_panel(samples.coins(), engine=engine or engine_for("pisam-tiny"), name="coins")
    user.viewer.window.resize(*size)
    settle()
    user.viewer.reset_view()
    return user


def settle() -> None:
    for _ in range(20):
        QApplication.processEvents()


def go_near(user: GuiUser, place: tuple[float, float], zoom: float) -> None:
    """The person looks at one object from near."""
    user.widget.view.camera.center = place
    user.widget.view.camera.zoom = zoom
    settle()


def click(user: GuiUser, place: tuple[float, float]) -> None:
    user.click(*place)
    user.widget.wait_idle(PATIENCE_SECONDS)


def keep_or_drop(user: GuiUser) -> None:
    """Keep what the model found; whether it found anything is not what a picture is about."""
    result = user.widget.result
    found = result is not None and result.placed.mask.any()
    user.press(Qt.Key.Key_Return if found else Qt.Key.Key_Escape)
    user.wait()


def shoot(user: GuiUser, name: str) -> None:
    """Write a picture of the whole window."""
    settle()
    shown = Image.fromarray(user.viewer.screenshot(canvas_only=False, flash=False))
    PICTURES.mkdir(exist_ok=True)
    # By how far colours lie apart, so that the few that mean something are kept.
    small = shown.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3)
    small.save(PICTURES / f"{name}.png", optimize=True)


def test_from_the_first_click_to_kept_objects(open_panel: Opener) -> None:
    user = open_coins(open_panel, size=(1300, 850))
    shoot(user, "empty")
    first = COINS[0]
    go_near(user, first, 5.0)
    click(user, first)
    shoot(user, "prompt")
    user.press(Qt.Key.Key_U)
    user.wait()
    shoot(user, "unsure")
    user.press(Qt.Key.Key_U)
    click(user, (first[0] + CORRECTION[0], first[1] + CORRECTION[1]))
    shoot(user, "correction")
    keep_or_drop(user)
    user.viewer.reset_view()
    settle()
    for place in COINS[1:]:
        click(user, place)
        keep_or_drop(user)
    shoot(user, "kept")
    user.viewer.theme = "light"
    click(user, (55, 272))
    shoot(user, "light")


def test_busy_and_error(open_panel: Opener) -> None:
    engine = Held()
    user = open_coins(open_panel, engine=engine, size=(1300, 850))
    go_near(user, COINS[0], 5.0)
    user.move(*COINS[0])
    user.click(*COINS[0])
    until(lambda: user.widget.panel.banner.mode.name == "busy", "the model at work")
    shoot(user, "busy")
    engine.go.set()
    user.widget.wait_idle(PATIENCE_SECONDS)
    user.widget.labels = user.viewer.add_labels(np.zeros((50, 60), np.uint8), name="other size")
    user.viewer.layers.selection.active = user.widget.prompts
    user.press(Qt.Key.Key_Return)
    user.wait()
    shoot(user, "error")


def test_a_narrow_dock(open_panel: Opener) -> None:
    user = open_coins(open_panel, size=(1100, 1000))
    widget: Any = user.widget
    dock = widget.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    window = user.viewer.window._qt_window
    window.resizeDocks([dock], [350], Qt.Orientation.Horizontal)
    for place in COINS[:2]:
        click(user, place)
        keep_or_drop(user)
    click(user, COINS[2])
    for section in widget.panel.sections[1:]:
        section.expand()
    settle()
    assert 340 <= dock.width() <= 360
    shoot(user, "narrow")


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
    user = open_coins(open_panel, size=(1300, 850))
    go_near(user, COINS[0], 5.0)
    click(user, COINS[0])
    shoot(user, "at-200-percent")
