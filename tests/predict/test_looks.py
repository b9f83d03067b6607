"""Many scales are looked at, and the answer's window fits the object that was seen best."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.geometry import Window, square_window
from napari_pisam.predict.looks import (
    LIGHT_LOOKS,
    Extent,
    Look,
    best_look,
    extent_in,
    fitting_window,
    known_window,
    look_windows,
    next_window,
    trust,
)
from napari_pisam.prompts import Box, Click, Prompt

SIDE = 64
NATIVE = 512


def seen_disc(window: Window, centre: Click, radius: float, clicks: tuple[Click, ...]) -> Look:
    """A model that sees the disc as well in every window; only its scale tells them apart."""
    scale = window.height / SIDE
    y = window.y + (np.arange(SIDE)[:, None] + 0.5) * scale - 0.5
    x = window.x + (np.arange(SIDE) + 0.5) * scale - 0.5
    disc = (y - centre.y) ** 2 + (x - centre.x) ** 2 <= radius**2
    logits = np.where(disc, 4, -4).astype(np.float32)
    return Look(window, extent_in(logits, window, clicks), 0.8)


@given(
    radius=st.floats(8, 600),
    off=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
)
def test_an_object_of_any_size_ends_in_the_middle_of_a_window_that_fits_it(
    radius: float, off: tuple[float, float]
) -> None:
    centre = Click(2000, 2100)
    click = Click(centre.y + off[0] * radius, centre.x + off[1] * radius)
    prompt = Prompt(points=(click,))
    first = square_window(click.y, click.x, NATIVE)
    looks = [
        seen_disc(window, centre, radius, prompt.points)
        for window in look_windows(first, prompt, 4000, LIGHT_LOOKS)
    ]
    window = fitting_window(best_look(looks, LIGHT_LOOKS), prompt, LIGHT_LOOKS)
    assert window is not None
    assert window.contains(click)
    share = 2 * radius / window.height
    assert LIGHT_LOOKS.aim / 1.5 < share < LIGHT_LOOKS.aim * 1.5
    middle = window.y + window.height / 2, window.x + window.width / 2
    assert np.hypot(middle[0] - centre.y, middle[1] - centre.x) < 0.1 * window.height


@given(
    points=st.lists(
        st.builds(Click, st.integers(0, 2999), st.integers(0, 2999)), min_size=1, max_size=4
    ),
    longer=st.integers(1, 10**5),
)
def test_every_look_holds_the_prompt_and_none_is_far_larger_than_the_image(
    points: list[Click], longer: int
) -> None:
    prompt = Prompt(points=tuple(points))
    ys, xs = [c.y for c in points], [c.x for c in points]
    span = max(max(ys) - min(ys), max(xs) - min(xs))
    middle = ((min(ys) + max(ys)) / 2, (min(xs) + max(xs)) / 2)
    first = square_window(*middle, max(NATIVE, 2 * span))
    windows = look_windows(first, prompt, longer, LIGHT_LOOKS)
    assert first in windows
    assert all(w.contains(c) for w in windows for c in points)
    assert all(w == first or w.height <= 2 * longer + 1 for w in windows)
    heights = [w.height for w in windows]
    assert heights == sorted(set(heights))


def test_a_mask_that_is_cut_off_or_of_an_odd_size_is_trusted_less() -> None:
    window = Window(0, 0, NATIVE, NATIVE)

    def trusted(share: float, *, cut: bool = False) -> float:
        return trust(Look(window, Extent(256, 256, share * NATIVE, cut), 0.7), LIGHT_LOOKS)

    assert trusted(0.4) == 0.7
    assert trusted(0.4, cut=True) < trusted(0.4)
    assert trusted(0.02) < trusted(0.08) < trusted(0.4)
    assert trusted(1.0) < trusted(0.4)


def test_a_look_that_sees_nothing_is_never_chosen_over_one_that_sees_something() -> None:
    small, large = square_window(100, 100, 64), square_window(100, 100, 512)
    looks = [Look(small, None, 0.99), Look(large, Extent(100, 100, 150, False), 0.1)]
    assert best_look(looks, LIGHT_LOOKS) == looks[1]


def test_an_object_that_even_the_largest_look_cuts_off_is_given_a_larger_window() -> None:
    prompt = Prompt(points=(Click(5000, 5000),))
    first = square_window(5000, 5000, NATIVE)
    looks = [
        seen_disc(window, Click(5000, 5000), 4000, prompt.points)
        for window in look_windows(first, prompt, 10000, LIGHT_LOOKS)
    ]
    best = best_look(looks, LIGHT_LOOKS)
    assert fitting_window(best, prompt, LIGHT_LOOKS) is None
    assert next_window(best, prompt, LIGHT_LOOKS).height > looks[-1].window.height


@given(
    box=st.builds(
        Box,
        st.integers(0, 900),
        st.integers(0, 900),
        st.integers(901, 1500),
        st.integers(901, 1500),
    ),
    beside=st.lists(st.builds(Click, st.integers(-500, 2000), st.integers(-500, 2000)), max_size=3),
)
def test_a_box_takes_half_its_window_and_points_beside_it_are_still_inside(
    box: Box, beside: list[Click]
) -> None:
    window = known_window(Prompt(box=box, points=tuple(beside)), None, LIGHT_LOOKS)
    assert window is not None
    assert all(window.contains(c) for c in beside)
    assert window.height >= round(box.span / LIGHT_LOOKS.box_aim)
    if all(box.y_min <= c.y <= box.y_max and box.x_min <= c.x <= box.x_max for c in beside):
        wanted = max(np.ceil(box.span / LIGHT_LOOKS.box_aim), LIGHT_LOOKS.smallest)
        assert window.height <= wanted
