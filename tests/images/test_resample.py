"""A window as the square input of the model, and logits back: nothing moves on the way."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_pisam.geometry import Window, WindowGrid
from napari_pisam.images.resample import PAD_RGB, logits_at_image, window_input
from napari_pisam.prompts import Click

HEIGHT, WIDTH = 70, 90
sizes = st.sampled_from([32, 64, 96])


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, Window]:
    """A window that meets the image, and the part of it inside."""
    side = draw(st.integers(12, 120))
    window = Window(draw(st.integers(-side, HEIGHT)), draw(st.integers(-side, WIDTH)), side, side)
    inside = window.inside(HEIGHT, WIDTH)
    assume(inside is not None)
    assert inside is not None
    return window, inside


@settings(deadline=None)
@given(place=windows(), size=sizes, at=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_model_sees_a_spot_where_a_click_on_it_is_said_to_be(
    place: tuple[Window, Window], size: int, at: tuple[float, float]
) -> None:
    window, inside = place
    assume(min(inside.height, inside.width) >= 9)
    y = inside.y + 3 + round(at[0] * (inside.height - 7))
    x = inside.x + 3 + round(at[1] * (inside.width - 7))
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    shown = image[inside.y : inside.y + inside.height, inside.x : inside.x + inside.width]
    square = window_input(shown, window, inside, size=size)
    bright = np.where(square == np.array(PAD_RGB, np.uint8), 0, square)[..., 1].astype(float)
    rows, columns = np.arange(size), np.arange(size)
    seen = (
        (bright.sum(0) * columns).sum() / bright.sum(),
        (bright.sum(1) * rows).sum() / bright.sum(),
    )
    # the part in the image is laid on whole pixels of the square, so that half a one is lost
    np.testing.assert_allclose(
        seen, WindowGrid(window, size).points_xy_input([Click(y, x)])[0], atol=0.75
    )


@settings(deadline=None)
@given(place=windows(), size=sizes)
def test_what_lies_outside_the_image_is_the_mean_colour_to_the_nearest_pixel(
    place: tuple[Window, Window], size: int
) -> None:
    window, inside = place
    white = np.full((inside.height, inside.width, 3), 255, np.uint8)
    square = window_input(white, window, inside, size=size)
    image = (square == 255).all(-1)
    assert (square[~image] == PAD_RGB).all()
    scale = size / window.height
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert image.sum() == len(rows) * len(columns)
    for found, start, length, first in (
        (rows, window.y, inside.height, inside.y),
        (columns, window.x, inside.width, inside.x),
    ):
        low, high = (first - start) * scale, (first + length - start) * scale
        if len(found):
            assert abs(found[0] - low) <= 0.5 + 1e-9
            assert abs(found[-1] + 1 - high) <= max(0.5, 1 - (high - low)) + 1e-9


def test_what_is_reduced_is_averaged_and_not_skipped() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 200
    square = window_input(image, Window(0, 0, 64, 64), Window(0, 0, 64, 64), size=16)
    assert np.abs(square.astype(int) - 100).max() < 20


def test_red_green_and_blue_stay_what_they_are() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:] = (10, 20, 30)
    whole = Window(0, 0, 16, 16)
    assert (window_input(image, whole, whole, size=32) == (10, 20, 30)).all()


@settings(deadline=None)
@given(
    place=windows(),
    size=sizes,
    slopes=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_logits_lie_at_an_image_pixel_as_they_do_in_the_model_where_it_is(
    place: tuple[Window, Window], size: int, slopes: tuple[float, float]
) -> None:
    window, inside = place
    rows, columns = np.mgrid[:size, :size]
    logits = (slopes[0] * rows + slopes[1] * columns).astype(np.float32)
    found = logits_at_image(logits, window, inside)
    assert found.shape == (inside.height, inside.width)
    y, x = np.mgrid[: inside.height, : inside.width]
    clicks = [
        Click(int(a), int(b)) for a, b in zip((y + inside.y).flat, (x + inside.x).flat, strict=True)
    ]
    at = WindowGrid(window, size).points_xy_input(clicks)
    expected = (slopes[0] * at[:, 1] + slopes[1] * at[:, 0]).reshape(found.shape)
    # a slope stays the slope that it is, but for the rim, beyond which there is nothing to go by
    rim = max(1.0, size / window.height)
    clear = ((at >= rim) & (at <= size - 1 - rim)).all(1).reshape(found.shape)
    np.testing.assert_allclose(found[clear], expected[clear], atol=0.15)
