"""The demo's overlay: the image enlarged, the objects outlined, and the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.cli.opened import paint
from napari_pisam.export.overlay import overlay
from napari_pisam.geometry import rescaled
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Click, Prompt

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

    from napari_pisam.predict.results import SegmentResult

# Pixels of the overlay per pixel of the image, so that the outlines can be seen.
ENLARGED = 3
_MARK = 5
_WHITE, _GREEN, _RED = (255, 255, 255), (0, 150, 60), (200, 0, 40)


def demo_overlay_of(
    shown: NDArray[np.uint8], results: Mapping[int, SegmentResult]
) -> NDArray[np.uint8]:
    """The objects over the enlarged image, with prompts: uint8 (H * ENLARGED, W * ENLARGED, 3).

    shown: uint8 (H, W, 3). results: by object number. The outlines are as fine as the masks are,
    which may be finer than the image's pixels. Boxes are white; clicks are dots, corrections plus
    and minus signs; green for the object, red for not the object.
    """
    from PIL import Image, ImageDraw

    size = (shown.shape[1] * ENLARGED, shown.shape[0] * ENLARGED)
    large = np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BICUBIC))
    labels = np.zeros(large.shape[:2], np.uint32)
    for number, result in results.items():
        paint(labels, number, _enlarged_mask(result, height=size[1], width=size[0]))
    drawn = Image.fromarray(overlay(large, labels))
    pen = ImageDraw.Draw(drawn)
    for result in results.values():
        _draw_prompt(pen, result.prompt)
    return np.asarray(drawn)


def _enlarged_mask(result: SegmentResult, *, height: int, width: int) -> PlacedMask:
    """The mask from the logits themselves, in pixels of an overlay of that size."""
    from PIL import Image

    window = result.window.enlarged(ENLARGED)
    size = (window.width, window.height)
    logits = np.asarray(Image.fromarray(result.logits).resize(size, Image.Resampling.BILINEAR))
    placed = PlacedMask(window.y, window.x, logits > 0)
    return PlacedMask(0, 0, placed.in_image(height, width))


def _draw_prompt(pen: ImageDraw, prompt: Prompt) -> None:
    if prompt.box is not None:
        box = prompt.box
        corners = (*_at(box.x_min, box.y_min), *_at(box.x_max, box.y_max))
        pen.rectangle(corners, outline=_WHITE)
    for click in prompt.points:
        _draw_dot(pen, click)
    for click in prompt.corrections:
        x, y = _draw_dot(pen, click)
        pen.line((x - _MARK + 2, y, x + _MARK - 2, y), fill=_WHITE)
        if click.positive:
            pen.line((x, y - _MARK + 2, x, y + _MARK - 2), fill=_WHITE)


def _draw_dot(pen: ImageDraw, click: Click) -> tuple[float, float]:
    x, y = _at(click.x, click.y)
    circle = (x - _MARK, y - _MARK, x + _MARK, y + _MARK)
    pen.ellipse(circle, fill=_GREEN if click.positive else _RED, outline=_WHITE)
    return x, y


def _at(x: float, y: float) -> tuple[float, float]:
    """The overlay's (x, y) of an image's pixel centre."""
    return rescaled(x, ENLARGED), rescaled(y, ENLARGED)
