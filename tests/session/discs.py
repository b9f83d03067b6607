"""A model for tests: discs round clicks, at once, always the same."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, square_window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ArraySource
from napari_pisam.jobs import finish
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click, Prompt, prompt_centre

RADIUS = 12.0
CORRECTION_RADIUS = 5.0


def small_request(number: int) -> SegmentRequest:
    """A request of that number: a click in a small image."""
    source = ArraySource(np.zeros((60, 80), np.uint8))
    return SegmentRequest(number, source, "a", Prompt((Click(30, 30),)))


def disc(window: Window, click: Click, radius: float) -> NDArray[np.bool_]:
    """Which pixels of the window lie within the radius of the click: bool (height, width)."""
    rows = np.arange(window.y, window.y + window.height)[:, None]
    cols = np.arange(window.x, window.x + window.width)[None, :]
    inside: NDArray[np.bool_] = np.hypot(rows - click.y, cols - click.x) <= radius
    return inside


def disc_mask(prompt: Prompt, window: Window) -> tuple[NDArray[np.bool_], Prompt]:
    """The mask of a prompt in a window, and the prompt with every correction's sign."""
    mask = np.zeros((window.height, window.width), np.bool_)
    if prompt.mask is not None:
        shifted = PlacedMask(prompt.mask.y - window.y, prompt.mask.x - window.x, prompt.mask.mask)
        mask |= shifted.in_image(window.height, window.width)
    if prompt.box is not None:
        b = prompt.box
        rows = np.arange(window.y, window.y + window.height)[:, None]
        cols = np.arange(window.x, window.x + window.width)[None, :]
        mask |= (rows >= b.y_min) & (rows <= b.y_max) & (cols >= b.x_min) & (cols <= b.x_max)
    for click in prompt.points:
        spot = disc(window, click, RADIUS)
        mask = mask | spot if click.positive else mask & ~spot
    signed = []
    for click in prompt.corrections:
        row, col = math.floor(click.y + 0.5) - window.y, math.floor(click.x + 0.5) - window.x
        inside = 0 <= row < window.height and 0 <= col < window.width
        sign = click.positive
        if sign is None:
            sign = not (inside and bool(mask[row, col]))
        spot = disc(window, click, CORRECTION_RADIUS)
        mask = mask | spot if sign else mask & ~spot
        signed.append(Click(click.y, click.x, sign))
    return mask, replace(prompt, corrections=tuple(signed))


class DiscEngine:
    """Segments like `Engine`, with discs."""

    def __init__(self, *, name: str = "discs") -> None:
        self.name = name
        self.finished: list[SegmentRequest] = []

    def prepare(self) -> None:
        """Nothing needs to be loaded."""

    def idle(self) -> Generator[None, None, None]:
        """Nothing can be made ahead."""
        yield from ()

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        """A result in the three stages of the real engine."""
        yield "read"
        yield "encode"
        result = result_of(request, name=self.name)
        yield "decode"
        self.finished.append(request)
        return result

    def at_once(self, request: SegmentRequest) -> SegmentResult:
        """The result without stages."""
        return finish(self.steps(request))


def result_of(request: SegmentRequest, *, name: str = "discs") -> SegmentResult:
    """What the discs give for a request: a mask as fine as the image."""
    window = request.window or window_of(request.prompt)
    mask, prompt = disc_mask(request.prompt, window)
    logits = np.where(mask, 4.0, -4.0).astype(np.float32)
    return SegmentResult(
        request_id=request.id,
        window=window,
        logits=logits,
        low_res_logits=logits,
        score=0.9,
        image_height=request.source.height,
        image_width=request.source.width,
        prompt=prompt,
        intensity=IntensityWindow((0.0,), (255.0,)),
        model=name,
        device="cpu",
        seconds=0.01,
    ).prepared()


def window_of(prompt: Prompt) -> Window:
    """A square round the prompt; larger when a correction lies outside it."""
    centre = prompt_centre(replace(prompt, corrections=()))
    span = prompt.box.span if prompt.box else 0.0
    if prompt.mask is not None:
        span = max(span, *prompt.mask.mask.shape)
    own = square_window(centre.y, centre.x, 2 * (_farthest(centre, prompt.points) + span + 24))
    if all(own.contains(click) for click in prompt.corrections):
        return own
    every = (*prompt.points, *prompt.corrections)
    return square_window(centre.y, centre.x, 2 * (_farthest(centre, every) + span + 24))


def _farthest(centre: Click, clicks: tuple[Click, ...]) -> float:
    return max((max(abs(c.y - centre.y), abs(c.x - centre.x)) for c in clicks), default=0.0)
