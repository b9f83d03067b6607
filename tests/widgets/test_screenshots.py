"""Makes the pictures of docs/plugin.md from the real window: `tox run -e screenshots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import skimage.data
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_pisam.widgets.model_loading import engine_for
from tests.widgets.conftest import Opener
from tests.widgets.hands import Hands

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COINS = ((58, 100), (51, 215), (126, 102))
COLOURS = 128
"""Of a picture in the pages: enough for a window, and a quarter of the bytes."""


def shoot(hands: Hands, name: str) -> None:
    """Write a picture of the whole window."""
    for _ in range(10):
        QApplication.processEvents()
    shown = Image.fromarray(hands.viewer.screenshot(canvas_only=False, flash=False))
    PICTURES.mkdir(exist_ok=True)
    small = shown.convert("RGB").quantize(COLOURS)
    small.save(PICTURES / f"{name}.png", optimize=True)


@pytest.mark.screenshots
def test_pictures_of_the_window_in_each_state(open_panel: Opener) -> None:
    samples: Any = skimage.data
    hands = open_panel(samples.coins(), engine=engine_for("pisam-tiny"))
    hands.viewer.window.resize(1300, 850)
    hands.viewer.reset_view()
    shoot(hands, "empty")
    hands.click(*COINS[0])
    hands.widget.wait_idle(300)
    hands.move(*COINS[0])
    shoot(hands, "prompt")
    hands.click(COINS[0][0] + 17, COINS[0][1] + 15)
    hands.widget.wait_idle(300)
    shoot(hands, "correction")
    hands.press(Qt.Key.Key_U)
    shoot(hands, "unsure")
    hands.press(Qt.Key.Key_U)
    hands.press(Qt.Key.Key_Return)
    for place in COINS[1:]:
        hands.click(*place)
        hands.widget.wait_idle(300)
        hands.press(Qt.Key.Key_Return)
    hands.wait()
    shoot(hands, "kept")
    assert len(hands.widget.objects) == len(COINS)
