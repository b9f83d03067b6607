from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.metrics import boundary_iou, boundary_width, covered, iou, noc

# Other work on the machine may make a single example slow.
quick = settings(deadline=None, max_examples=50)
MASK = arrays(np.bool_, (9, 11))
Bool = NDArray[np.bool_]


def square(shape: tuple[int, int], y: int, x: int, side: int) -> Bool:
    mask = np.zeros(shape, np.bool_)
    mask[y : y + side, x : x + side] = True
    return mask


@quick
@given(MASK, MASK)
def test_both_measures_are_symmetric_and_between_0_and_1(a: Bool, b: Bool) -> None:
    assert 0 <= iou(a, b) == iou(b, a) <= 1
    assert 0 <= boundary_iou(a, b, width=1.5) == boundary_iou(b, a, width=1.5) <= 1


@quick
@given(MASK, st.floats(1, 20))
def test_a_mask_equals_itself(mask: Bool, width: float) -> None:
    assert iou(mask, mask) == 1
    assert boundary_iou(mask, mask, width=width) == 1


@quick
@given(MASK, MASK)
def test_one_means_equal_and_zero_means_disjoint(a: Bool, b: Bool) -> None:
    assert (iou(a, b) == 1) == np.array_equal(a, b)
    if (a | b).any():
        assert (iou(a, b) == 0) == (not (a & b).any())


@quick
@given(MASK, MASK)
def test_the_crop_changes_nothing(a: Bool, b: Bool) -> None:
    union = np.count_nonzero(a | b)
    assert iou(a, b) == (np.count_nonzero(a & b) / union if union else 1)


@quick
@given(MASK, MASK)
def test_disjoint_masks_share_no_boundary(a: Bool, b: Bool) -> None:
    b = b & ~a
    if (a | b).any():
        assert boundary_iou(a, b, width=2) == 0


@quick
@given(MASK, MASK)
def test_a_band_wider_than_the_masks_is_the_mask(a: Bool, b: Bool) -> None:
    assert boundary_iou(a, b, width=100) == iou(a, b)


@quick
@given(st.integers(4, 20), st.integers(0, 18))
def test_a_larger_shift_is_never_better(side: int, shift: int) -> None:
    shape = (60, 60)
    truth, here = square(shape, 10, 10, side), square(shape, 10, 10 + shift, side)
    further = square(shape, 10, 11 + shift, side)
    assert iou(truth, further) <= iou(truth, here)
    if shift:
        assert iou(truth, here) < 1
        assert boundary_iou(truth, here, width=1) < 1


@quick
@given(MASK, MASK, st.integers(-50, 50), st.integers(-50, 50))
def test_placed_masks_count_where_they_lie(a: Bool, b: Bool, dy: int, dx: int) -> None:
    moved = PlacedMask(dy, dx, a), PlacedMask(dy, dx, b)
    assert iou(*moved) == iou(a, b)
    assert boundary_iou(*moved, width=2) == boundary_iou(a, b, width=2)
    assert iou(PlacedMask(0, 0, a), a) == 1


def test_both_measures_of_a_known_case() -> None:
    a, b = square((20, 20), 2, 2, 10), square((20, 20), 2, 4, 10)
    assert iou(a, b) == pytest.approx(80 / 120)
    # Rings of 36 pixels; they share two rows of 8, and no column.
    assert boundary_iou(a, b, width=1) == pytest.approx(16 / 56)


def test_the_boundary_iou_falls_where_the_iou_hardly_changes() -> None:
    truth = square((300, 300), 40, 40, 200)
    ragged = truth.copy()
    ragged[34:40, 40:240:2] = True
    assert iou(truth, ragged) > 0.98
    assert boundary_iou(truth, ragged, width=boundary_width(truth)) < 0.9


def test_the_image_edge_is_a_contour() -> None:
    whole = np.ones((30, 30), np.bool_)
    rim = whole.copy()
    rim[1:-1, 1:-1] = False
    assert boundary_iou(whole, rim, width=1) == 1


def test_the_width_is_two_percent_of_the_objects_diagonal() -> None:
    assert boundary_width(square((900, 900), 5, 5, 500)) == pytest.approx(0.02 * 500 * 2**0.5)
    assert boundary_width(square((900, 900), 5, 5, 8)) == 1
    assert boundary_width(np.zeros((5, 5), np.bool_)) == 1


def test_empty_masks_are_equal_and_unlike_any_other() -> None:
    nothing, something = np.zeros((8, 8), np.bool_), square((8, 8), 2, 2, 3)
    assert iou(nothing, nothing) == 1
    assert iou(nothing, something) == 0
    assert boundary_iou(nothing, something, width=1) == 0
    assert covered(nothing, nothing) is None


def test_what_cannot_be_compared_is_refused() -> None:
    a, b = np.ones((4, 4), np.bool_), np.ones((4, 5), np.bool_)
    with pytest.raises(ValueError, match="one shape"):
        iou(a, b)
    for width in (0.5, float("nan")):
        with pytest.raises(ValueError, match="at least 1 pixel"):
            boundary_iou(a, a, width=width)
    with pytest.raises(ValueError, match="at least 1"):
        noc([0.5], target=0.9, at_most=0)


@pytest.mark.parametrize(
    ("ious", "clicks"),
    [([0.9], 1), ([0.2, 0.85, 0.7], 2), ([0.2, 0.3], 5), ([], 5), ([0.1] * 5 + [0.9], 5)],
)
def test_noc_counts_the_clicks_to_a_quality(ious: list[float], clicks: int) -> None:
    assert noc(ious, target=0.85, at_most=5) == clicks
