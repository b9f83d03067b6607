"""A model for tests: discs round clicks, at once, always the same."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window, square_window
from napari_pisam.images.source import ArraySource
from napari_pisam.jobs import finish
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Click, Prompt, prompt_centre
from napari_pisam.session.answer import Answer
from napari_pisam.session.lattice import Lattice
from napari_pisam.session.plane import Ask, ImagePlane, PlaneKey
from napari_pisam.session.relief import doubt_of, doubtful_places, relief_of

RADIUS = 12.0
CORRECTION_RADIUS = 5.0
SIDE = 64


def small_ask(number: int) -> Ask:
    """A question of that number: a click in a small image."""
    source = ArraySource(np.zeros((60, 80), np.uint8))
    plane = ImagePlane(PlaneKey("a", (None, None)), source, "1")
    return Ask(number, plane, Prompt((Click(30, 30),)))


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
    """Answers like `Engine`, with discs."""

    def __init__(self, *, name: str = "discs") -> None:
        self.name = name
        self.answered: list[Ask] = []

    def prepare(self) -> None:
        """Nothing needs to be loaded."""

    def idle(self) -> Generator[None, None, None]:
        """Nothing can be made ahead."""
        yield from ()

    def answer(self, ask: Ask) -> Generator[str, None, Answer]:
        """An answer in the three stages of the real engine."""
        yield "read"
        yield "encode"
        result = answer_of(ask, name=self.name)
        yield "decode"
        self.answered.append(ask)
        return result

    def at_once(self, ask: Ask) -> Answer:
        """The answer without stages."""
        return finish(self.answer(ask))


def answer_of(ask: Ask, *, name: str = "discs") -> Answer:
    """What the discs answer to a question."""
    window = ask.window or window_of(ask.prompt)
    mask, prompt = disc_mask(ask.prompt, window)
    image = Window(0, 0, ask.plane.source.height, ask.plane.source.width)
    placed = PlacedMask(window.y, window.x, mask).in_image(image.height, image.width)
    centres = (np.arange(SIDE) + 0.5) / SIDE
    rows = np.clip((centres * window.height).astype(int), 0, window.height - 1)
    cols = np.clip((centres * window.width).astype(int), 0, window.width - 1)
    low = mask[np.ix_(rows, cols)]
    relief, doubt = relief_of(low), doubt_of(np.where(low, 4.0, -4.0).astype(np.float32))
    lattice = Lattice.over(window, SIDE, (image.height, image.width))
    return Answer(
        ask_id=ask.id,
        prompt=prompt,
        window=window,
        mask=PlacedMask(0, 0, placed).cropped(),
        relief=lattice.sampled(relief, window) if lattice else relief,
        doubt=lattice.sampled(doubt, window) if lattice else doubt,
        lattice=lattice,
        places=doubtful_places(doubt, window),
        score=0.9,
        pixel_size=window.height / SIDE,
        model=name,
        device="cpu",
        seconds=0.01,
    )


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
