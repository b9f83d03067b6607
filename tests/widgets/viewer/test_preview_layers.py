"""The mask over the image: what is drawn of it, and where."""

from __future__ import annotations

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.predict.relief import EDGE
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Prompt
from napari_pisam.widgets.viewer.preview_layers import (
    PREVIEW,
    clear_result,
    new_preview_layer,
    relief_limits,
    show_result,
)

WINDOW = Window(100, 40, 512, 512)
INDEX = (2, None, None)


def result_with(mask: NDArray[np.bool_]) -> SegmentResult:
    """A result whose mask covers that part of the window."""
    logits = np.where(mask, 9, -9).astype(np.float32)
    return SegmentResult(
        request_id=1,
        prompt=Prompt(),
        window=WINDOW,
        logits=logits,
        low_res_logits=logits,
        score=1.0,
        image_height=700,
        image_width=800,
        intensity=IntensityWindow((0.0,), (1.0,)),
        model="",
        device="",
    )


def an_image() -> Image:
    return Image(np.zeros((4, 700, 800), np.uint8), scale=(3, 0.5, 0.25), translate=(1, 2, 3))


def disc(y: float, x: float, radius: float) -> NDArray[np.bool_]:
    rows, cols = np.ogrid[:512, :512]
    mask: NDArray[np.bool_] = np.hypot(rows - y, cols - x) <= radius
    return mask


def drawn(layer: Image, image: Image) -> NDArray[np.uint8]:
    """What the layer shows at each pixel of the window; clear where it shows nothing."""
    shown = np.zeros((512, 512), np.uint8)
    first = image.world_to_data(layer.data_to_world((0, 0, 0)))
    assert np.isclose(first[0], 2)
    y, x = round(first[1]) - WINDOW.y, round(first[2]) - WINDOW.x
    assert np.allclose(first[1:], (y + WINDOW.y, x + WINDOW.x))
    _, height, width = layer.data.shape
    shown[y : y + height, x : x + width] = layer.data[0]
    return shown


def test_only_what_shows_of_a_mask_is_drawn_and_it_lies_where_the_mask_does() -> None:
    image = an_image()
    layer = new_preview_layer(PREVIEW, image)
    clearest, _ = relief_limits(1e-9, 1.0)
    for place, radius in (((300, 200), 20), ((0, 511), 60), ((256, 256), 800)):
        result = result_with(disc(*place, radius))
        show_result(layer, image, INDEX, result=result)
        shown = drawn(layer, image)
        seen = result.preview.relief > clearest
        assert np.array_equal(shown[seen], result.preview.relief[seen])
        assert not (shown[~seen] > clearest).any()
        if radius == 20:
            assert layer.data.size <= 128 * 128


def test_a_mask_that_is_nowhere_is_not_drawn() -> None:
    image = an_image()
    layer = new_preview_layer(PREVIEW, image)
    show_result(layer, image, INDEX, result=result_with(disc(100, 100, 30)))
    show_result(layer, image, INDEX, result=result_with(np.zeros((512, 512), np.bool_)))
    assert layer.data.max() < EDGE


def test_a_small_correction_and_clearing_leave_the_layer_where_it_is() -> None:
    image = an_image()
    layer = new_preview_layer(PREVIEW, image)
    show_result(layer, image, INDEX, result=result_with(disc(300, 200, 20)))
    place, size = np.array(layer.translate), layer.data.shape
    show_result(layer, image, INDEX, result=result_with(disc(300, 200, 20) | disc(310, 210, 15)))
    assert np.array_equal(layer.translate, place)
    assert layer.data.shape == size
    clear_result(layer)
    assert np.array_equal(layer.translate, place)
    assert not layer.data.any()
