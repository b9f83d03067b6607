"""The simulated user clicks in the middle of what is wrong, and says what is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.simulate import error_clicks, most_interior, next_correction

Bool = NDArray[np.bool_]
MASK = arrays(np.bool_, (8, 11))


def depth_of(mask: Bool, y: int, x: int) -> float:
    """How far a pixel lies from the nearest one that is not of the mask, beyond the image too."""
    height, width = mask.shape
    others = [
        (row, column)
        for row in range(-1, height + 1)
        for column in range(-1, width + 1)
        if not (0 <= row < height and 0 <= column < width and mask[row, column])
    ]
    return float(min(np.hypot(y - row, x - column) for row, column in others))


@settings(deadline=None)
@given(MASK)
def test_the_most_interior_pixel_is_the_first_of_those_farthest_from_everything_else(
    mask: Bool,
) -> None:
    assume(mask.any())
    click = most_interior(mask)
    depths = {(int(y), int(x)): depth_of(mask, int(y), int(x)) for y, x in np.argwhere(mask)}
    deepest = max(depths.values())
    first = next(place for place, depth in depths.items() if depth > deepest - 1e-9)
    assert (click.y, click.x, click.positive) == (*first, True)


def test_an_empty_mask_has_no_inside() -> None:
    with pytest.raises(ValueError, match="no inside"):
        most_interior(np.zeros((3, 3), np.bool_))


@settings(deadline=None)
@given(MASK, MASK)
def test_a_correction_lies_in_the_largest_error_and_has_the_true_sign(a: Bool, b: Bool) -> None:
    click = next_correction(a, b)
    if np.array_equal(a, b):
        assert click is None
        return
    assert click is not None
    place = (int(click.y), int(click.x))
    assert click.positive == bool(b[place]) != bool(a[place])
    pieces = [ndimage.label(wrong)[0] for wrong in (b & ~a, a & ~b)]
    sizes = [np.bincount(piece.ravel(), minlength=2)[1:] for piece in pieces]
    own = next(int((piece == piece[place]).sum()) for piece in pieces if piece[place])
    assert own == max(int(s.max()) for s in sizes)


def test_an_error_is_clicked_where_it_lies() -> None:
    truth = np.zeros((40, 90), np.bool_)
    truth[10:21, 60:81] = True
    click = next_correction(np.zeros_like(truth), truth)
    assert click is not None
    assert (click.y, click.positive) == (15, True)
    assert 64 <= click.x <= 76


@settings(deadline=None, max_examples=60)
@given(
    spots=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(1, 6), st.booleans()),
        max_size=8,
        unique_by=lambda spot: spot[:2],
    ),
    seed=st.integers(0, 2**32),
    at_most=st.integers(1, 4),
)
def test_training_clicks_lie_well_inside_the_largest_errors_one_in_each(
    spots: list[tuple[int, int, int, bool]], seed: int, at_most: int
) -> None:
    prediction, truth = np.zeros((48, 90), np.bool_), np.zeros((48, 90), np.bool_)
    errors: dict[tuple[int, int], tuple[int, bool]] = {}
    for row, column, side, missed in spots:
        # a square of that side in a place of its own, missed or taken for the object
        where = (slice(row * 8, row * 8 + side), slice(column * 10, column * 10 + side + 1))
        (truth if missed else prediction)[where] = True
        if (side - 2) * (side - 1) >= 2:
            errors[row, column] = ((side - 2) * (side - 1), missed)
    clicks = error_clicks(prediction, truth, np.random.default_rng(seed), at_most=at_most)
    assert len(clicks) <= at_most
    assert bool(clicks) == bool(errors)
    hit = [(int(c.y) // 8, int(c.x) // 10) for c in clicks]
    assert len(set(hit)) == len(hit)
    for click, place in zip(clicks, hit, strict=True):
        assert click.positive == errors[place][1]
        y, x = int(click.y), int(click.x)
        wrong = (truth != prediction)[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert wrong.all()
    left = [area for place, (area, _) in errors.items() if place not in hit]
    assert not left or max(left) <= min(errors[place][0] for place in hit)
