"""The embedded model on a real image: real clicks, and the API's labels for the same prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import skimage.data
from qtpy.QtCore import Qt

from napari_pisam import load_predictor
from napari_pisam.prompts import Click, Prompt
from napari_pisam.widgets.viewer.model_loading import engine_for
from napari_pisam.widgets.viewer.segment_points import segment_points
from tests.widgets.conftest import Opener

COINS = ((58, 100), (51, 215), (126, 102))


def test_real_clicks_give_the_labels_of_the_api_and_of_the_script(open_panel: Opener) -> None:
    samples: Any = skimage.data
    image = samples.coins()
    user = open_panel(image, engine=engine_for("pisam-tiny"))
    widget = user.widget
    corrected = (COINS[0][0] + 24, COINS[0][1] + 24)
    user.click(*COINS[0])
    widget.wait_idle(300)
    user.click(*corrected)
    widget.wait_idle(300)
    user.press(Qt.Key.Key_Return)
    for place in COINS[1:]:
        user.click(*place)
        widget.wait_idle(300)
        user.press(Qt.Key.Key_Return)
    user.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(widget.objects) == 2
    user.press(
        Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    assert len(widget.objects) == 3
    labels = widget.labels
    assert labels is not None
    predictor = load_predictor("pisam-tiny")
    expected = np.zeros(image.shape, labels.data.dtype)
    for kept in widget.objects:
        mask = predictor.segment(image, kept.prompt, object_size=kept.object_size).mask
        expected[mask & (expected == 0)] = kept.label
    assert np.array_equal(labels.data, expected)
    engine = engine_for("pisam-tiny")
    scripted = segment_points(user.viewer.layers[0], *_as_layers(widget), model=engine)
    assert np.array_equal(labels.data, scripted.data)


def _as_layers(widget: Any) -> tuple[Any, Any]:
    """The prompts and corrections of all kept objects as points layers with groups."""
    from napari.layers import Points

    def layer(rows: list[tuple[int, Click]]) -> Points:
        places = np.array([(c.y, c.x) for _, c in rows], float).reshape(-1, 2)
        return Points(places, features={"group": [label for label, _ in rows]})

    def said(prompt: Prompt) -> tuple[tuple[Click, ...], tuple[Click, ...]]:
        return prompt.points, prompt.corrections

    objects = [(o.label, *said(o.prompt)) for o in widget.objects]
    prompts = [(label, c) for label, points, _ in objects for c in points]
    corrections = [(label, c) for label, _, clicks in objects for c in clicks]
    return layer(prompts), layer(corrections)
