"""A mask made by bands is that of all logits resized at once, in far less memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.datasets.synthetic import SyntheticTissue
from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.resample import logits_at_image
from napari_pisam.images.source import PyramidSource
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.mask_bands import ImageMask
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.prompt_embedding import MASK_LOGIT, mask_logits
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.segmenter import Segmenter
from napari_pisam.prompts import Box, Click, Prompt

HEIGHT, WIDTH = 120, 150
MB = 2**20

windows = st.builds(
    Window,
    st.integers(-100, HEIGHT - 1),
    st.integers(-100, WIDTH - 1),
    st.integers(4, 400),
    st.integers(4, 400),
)


def some_logits(seed: int, side: int, *, whole: bool) -> NDArray[np.float32]:
    """Noise; of whole numbers many are exactly 0, where a sign is easily lost."""
    logits = np.random.default_rng(seed).normal(0, 1, (side, side)).astype(np.float32)
    return np.round(logits) if whole else logits


@settings(deadline=None)
@given(
    window=windows,
    side=st.sampled_from([8, 32, 64]),
    seed=st.integers(0, 99),
    whole=st.booleans(),
    rows=st.sampled_from([1, 7, 64]),
)
def test_bands_of_any_height_are_the_logits_resized_at_once_and_above_0(
    window: Window, side: int, seed: int, whole: bool, rows: int
) -> None:
    inside = window.inside(HEIGHT, WIDTH)
    assume(inside is not None)
    assert inside is not None
    logits = some_logits(seed, side, whole=whole)
    resized = logits_at_image(logits, window, inside)
    mask = ImageMask(logits, window, (HEIGHT, WIDTH))
    found = np.concatenate(list(mask.bands(inside, rows)))
    # where the exact value is 0, rounding in the last digits decides, and PIL sums in another order
    assert np.abs(resized[found != (resized > 0)]).max(initial=0) < 1e-6
    tight = PlacedMask(inside.y, inside.x, found).cropped()
    packed = mask.packed()
    assert packed.area == found.sum()
    assert not packed.area or packed.placed() == tight
    click = Click(inside.y + (inside.height - 1) // 2, inside.x + inside.width - 1)
    assert mask.covers(click) == tight.covers(click)


def test_a_window_beside_the_image_shows_nothing() -> None:
    mask = ImageMask(np.ones((8, 8), np.float32), Window(-50, 0, 20, 20), (HEIGHT, WIDTH))
    assert mask.packed().area == 0
    assert not mask.covers(Click(0, 0))


@settings(deadline=None)
@given(
    window=windows,
    low=st.sampled_from([8, 32]),
    place=st.tuples(st.integers(-30, 100), st.integers(-30, 100)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_a_mask_prompt_is_what_a_resize_of_the_whole_window_gives(
    window: Window, low: int, place: tuple[int, int], size: tuple[int, int]
) -> None:
    window = Window(window.y, window.x, window.height, window.height)
    mask = PlacedMask(*place, np.random.default_rng(size[0]).random(size) > 0.4)
    painted = np.full((window.height, window.width), -MASK_LOGIT, np.float32)
    painted[mask.in_window(window)] = MASK_LOGIT
    frame = Window(0, 0, low, low)
    resized = painted if window.height == low else logits_at_image(painted, frame, frame)
    # float32 sums in another order: of +-6
    assert np.abs(mask_logits(Prompt(mask=mask), window, low) - resized).max() < 1e-5


def peak_of(work: Callable[[], object]) -> float:
    """The most memory that the work held at once, in MB."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def test_a_box_of_8000_pixels_and_its_mask_as_a_prompt_take_no_numbers_in_image_pixels(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PyramidSource(SyntheticTissue(16_384, 16_384).levels("nuclei"))
    disc = np.hypot(*np.ogrid[-32:32, -32:32])
    real = toy.predict

    def predicted(embedding: object, prompt: Prompt) -> object:
        found = real(embedding, prompt)  # type: ignore[arg-type]
        found.logits[:] = 16 - disc
        return found

    monkeypatch.setattr(toy, "predict", predicted)
    segmenter = Segmenter(toy, EmbeddingCache(0))
    made: list[PlacedMask] = []

    def segment(prompt: Prompt) -> None:
        request = SegmentRequest(
            1, source, "tissue", prompt, intensity=IntensityWindow((0.0,), (60_000.0,))
        )
        made.append(segmenter.segment(request).placed)

    by_box = peak_of(lambda: segment(Prompt(box=Box(4000, 4000, 12_000, 12_000))))
    mask = made.pop()
    assert min(mask.mask.shape) > 5000
    bits, pixels = mask.mask.size / 8 / MB, mask.mask.size / MB
    again = peak_of(lambda: segment(Prompt(mask=mask)))
    # one float32 for each pixel would be four times `pixels` alone
    assert by_box < pixels + 3 * bits + 20
    assert again < made[0].mask.size / MB * (1 + 3 / 8) + 20
