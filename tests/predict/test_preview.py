"""A result and its pictures lie where the model's pixels do, inside the image."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.predict.lattice import Lattice
from napari_pisam.predict.relief import EDGE, doubtful_places
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click, Prompt

HEIGHT, WIDTH, SIDE = 100, 130, 32


def answer_in(window: Window, logits: NDArray[np.float32]) -> SegmentResult:
    return SegmentResult(
        request_id=0,
        window=window,
        logits=logits,
        low_res_logits=logits,
        score=0.5,
        image_height=HEIGHT,
        image_width=WIDTH,
        prompt=Prompt(points=(Click(0, 0),)),
        intensity=IntensityWindow((0.0,), (1.0,)),
        model="none",
        device="cpu",
    )


windows = st.builds(
    lambda y, x, side: Window(y, x, side, side),
    st.integers(-40, HEIGHT - 8),
    st.integers(-40, WIDTH - 8),
    st.integers(50, 120),
)


@settings(deadline=None)
@given(
    window=windows,
    place=st.tuples(st.integers(-3, HEIGHT + 3), st.integers(-3, WIDTH + 3)),
    off=st.tuples(st.floats(-0.49, 0.49), st.floats(-0.49, 0.49)),
)
def test_a_click_is_on_the_mask_when_the_pixel_nearest_to_it_is(
    window: Window, place: tuple[int, int], off: tuple[float, float]
) -> None:
    rng = np.random.default_rng(window.height)
    result = answer_in(window, rng.normal(0, 2, (SIDE, SIDE)).astype(np.float32))
    full = result.mask
    inside = 0 <= place[0] < HEIGHT and 0 <= place[1] < WIDTH
    covered = inside and bool(full[place])
    assert result.covers(Click(place[0] + off[0], place[1] + off[1])) == covered


@settings(deadline=None)
@given(window=windows)
def test_doubt_beside_the_image_leads_nobody_there(window: Window) -> None:
    # unsure everywhere in the window, most of all beside the image
    rows = window.y + (np.arange(SIDE) + 0.5) * window.height / SIDE - 0.5
    columns = window.x + (np.arange(SIDE) + 0.5) * window.width / SIDE - 0.5
    inside = ((rows >= 0) & (rows < HEIGHT))[:, None] & ((columns >= 0) & (columns < WIDTH))
    logits = np.where(inside, 0.8, 0.0).astype(np.float32)
    assume(inside.sum() > 40)
    result = answer_in(window, logits)
    image = Window(0, 0, HEIGHT, WIDTH)
    assert result.preview.doubtful_places
    assert all(image.contains(place) for place in result.preview.doubtful_places)


def test_the_edge_of_the_image_is_an_edge_of_the_mask_that_reaches_it() -> None:
    result = answer_in(Window(-32, 20, 64, 64), np.full((SIDE, SIDE), 9, np.float32))
    assert result.placed.y == 0
    assert result.placed.mask.shape == (32, 64)
    middle = result.preview.relief[:, result.preview.relief.shape[1] // 2].astype(int)
    assert (middle > EDGE).all()
    assert middle[0] < EDGE + 8 < middle[5]


@settings(deadline=None)
@given(
    row=st.integers(4, SIDE - 5),
    column=st.integers(4, SIDE - 5),
    window=windows,
)
def test_a_doubtful_place_is_the_image_pixel_under_the_models(
    row: int, column: int, window: Window
) -> None:
    doubt = np.zeros((SIDE, SIDE), np.uint8)
    doubt[row - 1 : row + 2, column - 1 : column + 2] = 200
    (place, *_) = doubtful_places(doubt, window)
    own = window.height / SIDE
    assert abs(place.y - (window.y - 0.5 + (row + 0.5) * own)) < 1e-9
    assert abs(place.x - (window.x - 0.5 + (column + 0.5) * own)) < 1e-9


def hats(window: Window, lattice: Lattice, axis: int) -> NDArray[np.float64]:
    """How much each pixel of the model's output counts, written down in full: (count, SIDE)."""
    origin = (window.y, window.x)[axis]
    own = window.height / SIDE
    centres = lattice.starts[axis] + (np.arange(lattice.counts[axis]) + 0.5) * lattice.steps[axis]
    places = np.clip((centres - origin + 0.5) / own - 0.5, 0, SIDE - 1)
    reach = max(lattice.steps[axis] / own, 1.0)
    full = np.maximum(1 - np.abs(np.arange(SIDE) - places[:, None]) / reach, 0)
    hat: NDArray[np.float64] = full / full.sum(1, keepdims=True)
    return hat


@settings(deadline=None)
@given(y=st.integers(-400, 99), x=st.integers(-400, 129), length=st.integers(8, 500))
def test_a_picture_on_its_lattice_is_the_weighted_mean_of_the_pixels_near_each_of_its_own(
    y: int, x: int, length: int
) -> None:
    window = Window(y, x, length, length)
    lattice = Lattice.over(window, SIDE, (HEIGHT, WIDTH))
    assume(lattice is not None)
    assert lattice is not None
    pixels = np.random.default_rng(length).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    expected = hats(window, lattice, 0) @ pixels @ hats(window, lattice, 1).T
    assert np.abs(lattice.sampled(pixels, window) - expected).max() <= 0.51


@settings(deadline=None)
@given(
    y=st.integers(-400, 99),
    x=st.integers(-400, 129),
    length=st.integers(8, 500),
    slopes=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
@example(y=-390, x=0, length=400, slopes=(1, 1))
def test_a_picture_on_its_lattice_lies_in_the_image_and_shows_what_the_model_has_there(
    y: int, x: int, length: int, slopes: tuple[int, int]
) -> None:
    window = Window(y, x, length, length)
    lattice = Lattice.over(window, SIDE, (HEIGHT, WIDTH))
    inside = window.inside(HEIGHT, WIDTH)
    if lattice is None:
        assert inside is None
        return
    assert inside is not None
    parts = zip(lattice.starts, lattice.counts, lattice.steps, strict=True)
    ends = [start + count * step for start, count, step in parts]
    assert lattice.starts == (inside.y - 0.5, inside.x - 0.5)
    bottom, right = inside.y + inside.height - 0.5, inside.x + inside.width - 0.5
    np.testing.assert_allclose(ends, (bottom, right))
    assert min(lattice.steps) >= 1 - 1e-9
    rows, columns = np.mgrid[:SIDE, :SIDE]
    ramp = (20 + slopes[0] * rows + slopes[1] * columns).astype(np.uint8)
    shown = lattice.sampled(ramp, window)
    assert shown.shape == lattice.counts
    own = length / SIDE
    places = [
        (start + (np.arange(count) + 0.5) * step - (origin - 0.5)) / own - 0.5
        for start, count, step, origin in zip(
            lattice.starts, lattice.counts, lattice.steps, (y, x), strict=True
        )
    ]
    rim = 1 + max(lattice.steps) / own
    clear = [(p >= rim) & (p <= SIDE - 1 - rim) for p in places]
    expected = 20 + slopes[0] * places[0][:, None] + slopes[1] * places[1]
    differ = np.abs(shown - expected)[np.ix_(*clear)]
    assert differ.max(initial=0) <= 0.51 + 0.1 * sum(slopes)
