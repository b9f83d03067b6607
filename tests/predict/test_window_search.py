"""Many scales are tried, and the result's window fits the object that was seen best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.geometry import Window, square_window
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.window_search import (
    LIGHT_SEARCH,
    Extent,
    Trial,
    best_trial,
    extent_in,
    fitting_window,
    known_window,
    next_window,
    trial_windows,
    trust,
    window_of,
)
from napari_pisam.prompts import Box, Click, Prompt

SIDE = 64
NATIVE = 512


def seen_disc(window: Window, centre: Click, radius: float, clicks: tuple[Click, ...]) -> Trial:
    """A model that sees the disc as well in every window; only its scale tells them apart."""
    scale = window.height / SIDE
    y = window.y + (np.arange(SIDE)[:, None] + 0.5) * scale - 0.5
    x = window.x + (np.arange(SIDE) + 0.5) * scale - 0.5
    disc = (y - centre.y) ** 2 + (x - centre.x) ** 2 <= radius**2
    logits = np.where(disc, 4, -4).astype(np.float32)
    return Trial(window, extent_in(logits, window, clicks), 0.8)


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
    trials = [
        seen_disc(window, centre, radius, prompt.points)
        for window in trial_windows(first, prompt, 4000, policy=LIGHT_SEARCH)
    ]
    window = fitting_window(best_trial(trials, LIGHT_SEARCH), prompt, LIGHT_SEARCH)
    assert window is not None
    assert window.contains(click)
    share = 2 * radius / window.height
    assert LIGHT_SEARCH.aim / 1.5 < share < LIGHT_SEARCH.aim * 1.5
    middle = window.y + window.height / 2, window.x + window.width / 2
    assert np.hypot(middle[0] - centre.y, middle[1] - centre.x) < 0.1 * window.height


@given(
    points=st.lists(
        st.builds(Click, st.integers(0, 2999), st.integers(0, 2999)), min_size=1, max_size=4
    ),
    longer=st.integers(1, 10**5),
)
def test_every_trial_holds_the_prompt_and_none_is_far_larger_than_the_image(
    points: list[Click], longer: int
) -> None:
    prompt = Prompt(points=tuple(points))
    ys, xs = [c.y for c in points], [c.x for c in points]
    span = max(max(ys) - min(ys), max(xs) - min(xs))
    middle = ((min(ys) + max(ys)) / 2, (min(xs) + max(xs)) / 2)
    first = square_window(*middle, max(NATIVE, 2 * span))
    windows = trial_windows(first, prompt, longer, policy=LIGHT_SEARCH)
    assert first in windows
    assert all(w.contains(c) for w in windows for c in points)
    assert all(w == first or w.height <= 2 * longer + 1 for w in windows)
    heights = [w.height for w in windows]
    assert heights == sorted(set(heights))


def test_a_mask_that_is_cut_off_or_of_an_odd_size_is_trusted_less() -> None:
    window = Window(0, 0, NATIVE, NATIVE)

    def trusted(share: float, *, cut: bool = False) -> float:
        return trust(Trial(window, Extent(256, 256, share * NATIVE, cut), 0.7), LIGHT_SEARCH)

    assert trusted(0.4) == 0.7
    assert trusted(0.4, cut=True) < trusted(0.4)
    assert trusted(0.02) < trusted(0.08) < trusted(0.4)
    assert trusted(1.0) < trusted(0.4)


def test_a_trial_that_sees_nothing_is_never_chosen_over_one_that_sees_something() -> None:
    small, large = square_window(100, 100, 64), square_window(100, 100, 512)
    trials = [Trial(small, None, 0.99), Trial(large, Extent(100, 100, 150, False), 0.1)]
    assert best_trial(trials, LIGHT_SEARCH) == trials[1]


def test_of_trials_trusted_alike_the_one_that_saw_most_of_the_surroundings_is_chosen() -> None:
    trials = [
        Trial(square_window(100, 100, side), Extent(100, 100, side / 3, False), 0.8)
        for side in (128, 512, 256)
    ]
    assert best_trial(trials, LIGHT_SEARCH) == trials[1]


@given(
    first=st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)),
    last=st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)),
    scale=st.integers(1, 4),
    y=st.integers(-300, 300),
    x=st.integers(-300, 300),
)
def test_what_a_trial_saw_is_given_in_image_pixels_and_whether_it_goes_on_beyond(
    first: tuple[int, int], last: tuple[int, int], scale: int, y: int, x: int
) -> None:
    (y0, y1), (x0, x1) = (sorted(pair) for pair in zip(first, last, strict=True))
    logits = np.full((SIDE, SIDE), -1, np.float32)
    logits[y0 : y1 + 1, x0 : x1 + 1] = 1
    seen = extent_in(logits, Window(y, x, SIDE * scale, SIDE * scale), ())
    assert seen is not None
    # the image pixels of the rectangle: from its first cell's first to its last cell's last
    rows = (y + y0 * scale, y + (y1 + 1) * scale - 1)
    columns = (x + x0 * scale, x + (x1 + 1) * scale - 1)
    assert (seen.y, seen.x) == (sum(rows) / 2, sum(columns) / 2)
    assert seen.span == max(rows[1] - rows[0], columns[1] - columns[0]) + 1
    assert seen.cut == (y0 == 0 or x0 == 0 or y1 == SIDE - 1 or x1 == SIDE - 1)


def test_of_several_things_a_trial_goes_by_the_one_that_was_clicked() -> None:
    window = Window(1000, 2000, SIDE * 2, SIDE * 2)
    logits = np.full((SIDE, SIDE), -1, np.float32)
    logits[10:12, 40:44] = logits[40:60, 5:25] = 1
    small, large = Click(1021, 2083), Click(1100, 2030)
    for clicks, span in (((small,), 8), ((large,), 40), ((), 40), ((small, large), 100)):
        seen = extent_in(logits, window, clicks)
        assert seen is not None
        assert seen.span == span


@pytest.mark.parametrize("apart", [0, 4, 40, 140])
def test_a_trial_that_saw_nothing_leads_to_a_smaller_one_that_still_holds_what_was_said(
    apart: int,
) -> None:
    points = (Click(100 - apart / 2, 90), Click(100 + apart / 2, 110))
    prompt, window = Prompt(points=points), square_window(100, 100, 300)
    following = next_window(Trial(window, None, 0.9), prompt, LIGHT_SEARCH)
    assert following.height < window.height
    assert all(following.contains(c) for c in points)


@pytest.mark.parametrize("corner", [(-1, -1), (-1, 1), (1, -1), (1, 1)])
def test_an_object_that_is_cut_off_is_followed_in_a_larger_window(corner: tuple[int, int]) -> None:
    click = Click(1000, 1000)
    centre = Click(1000 + corner[0] * 200, 1000 + corner[1] * 200)
    prompt, window = Prompt(points=(click,)), square_window(1000, 1000, NATIVE)
    trial = seen_disc(window, centre, 290, prompt.points)
    following = next_window(trial, prompt, LIGHT_SEARCH)
    assert following.height > window.height
    assert following.contains(click)
    assert (following.y + following.height / 2 - 1000) * corner[0] > 10
    assert (following.x + following.width / 2 - 1000) * corner[1] > 10


@given(
    seen=st.builds(
        Extent, st.floats(-900, 900), st.floats(-900, 900), st.floats(1, 900), st.just(False)
    ),
    points=st.lists(
        st.builds(Click, st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=3
    ),
)
def test_the_window_round_what_was_seen_is_large_enough_for_what_was_said_and_holds_it(
    seen: Extent, points: list[Click]
) -> None:
    prompt = Prompt(points=tuple(points))
    window = fitting_window(Trial(Window(-999, -999, 2000, 2000), seen, 0.5), prompt, LIGHT_SEARCH)
    assert window is not None
    span = max(seen.span, max(np.ptp([c.y for c in points]), np.ptp([c.x for c in points])))
    assert window.height >= max(span / LIGHT_SEARCH.aim, LIGHT_SEARCH.smallest)
    assert all(window.contains(c) for c in points)


@given(
    size=st.none() | st.floats(1, 300),
    side=st.integers(1, 60),
    points=st.lists(
        st.builds(Click, st.integers(-400, 400), st.integers(-400, 400), st.booleans()), max_size=4
    ),
)
def test_a_window_that_a_mask_or_a_size_tells_is_as_large_as_it_aims_at_and_holds_every_point_on_it(
    size: float | None, side: int, points: list[Click]
) -> None:
    mask = None if size else PlacedMask(0, 0, np.ones((side, 1), np.bool_))
    prompt = Prompt(points=(Click(0, 0), *points), mask=mask)
    window = known_window(prompt, size, LIGHT_SEARCH)
    assert window is not None
    on = [c for c in prompt.points if c.positive]
    apart = max(np.ptp([c.y for c in on]), np.ptp([c.x for c in on]))
    assert window.height >= max(size or side, apart) / LIGHT_SEARCH.aim
    assert window.height >= LIGHT_SEARCH.smallest
    assert all(window.contains(c) for c in prompt.points)
    if not points:
        assert window == window_of(
            Click((side - 1) / 2 if mask else 0, 0), size or side, LIGHT_SEARCH
        )


def test_an_object_that_even_the_largest_trial_cuts_off_is_given_a_larger_window() -> None:
    prompt = Prompt(points=(Click(5000, 5000),))
    first = square_window(5000, 5000, NATIVE)
    trials = [
        seen_disc(window, Click(5000, 5000), 4000, prompt.points)
        for window in trial_windows(first, prompt, 10000, policy=LIGHT_SEARCH)
    ]
    best = best_trial(trials, LIGHT_SEARCH)
    assert fitting_window(best, prompt, LIGHT_SEARCH) is None
    assert next_window(best, prompt, LIGHT_SEARCH).height > trials[-1].window.height


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
    window = known_window(Prompt(box=box, points=tuple(beside)), None, LIGHT_SEARCH)
    assert window is not None
    assert all(window.contains(c) for c in beside)
    assert window.height >= round(box.span / LIGHT_SEARCH.box_aim)
    if all(box.y_min <= c.y <= box.y_max and box.x_min <= c.x <= box.x_max for c in beside):
        wanted = max(np.ceil(box.span / LIGHT_SEARCH.box_aim), LIGHT_SEARCH.smallest)
        assert window.height <= wanted
