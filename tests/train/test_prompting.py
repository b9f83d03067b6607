"""Prompts that are drawn: where a person would give them, and true to the object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.train.prompting import draw_box, draw_points, rough_mask


def rectangle(size: int, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
    mask = np.zeros((size, size), np.uint8)
    mask[rows[0] : rows[1], columns[0] : columns[1]] = 255
    return mask


def test_a_box_is_a_little_off_on_every_side_or_loose_by_at_most_three_twentieths() -> None:
    mask = rectangle(256, (40, 90), (60, 260))
    truth = np.array([60, 40, 255, 89])
    spread = np.array([195, 49, 195, 49])
    rng = np.random.default_rng(0)
    off = np.array([(draw_box(mask, rng) - truth) / spread for _ in range(400)])
    outwards = off * (-1, -1, 1, 1)
    assert outwards.min() >= -0.125
    assert 0.125 < outwards.max() <= 0.155
    # tight boxes as often outwards as inwards, and half of the sides by less than three hundredths
    tight = off[(outwards < 0).any(1)]
    assert np.abs(tight.mean(0)).max() < 0.015
    assert 0.015 < np.median(np.abs(tight)) < 0.045
    assert 0.2 < (outwards >= 0).all(1).mean() < 0.5


@settings(deadline=None, max_examples=60)
@given(
    size=st.sampled_from([64, 256, 512]),
    place=st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.6)),
    extent=st.tuples(st.floats(0.1, 0.35), st.floats(0.1, 0.35)),
    seed=st.integers(0, 2**32),
)
def test_points_have_true_labels_and_negative_ones_are_near_the_object(
    size: int, place: tuple[float, float], extent: tuple[float, float], seed: int
) -> None:
    rows, columns = (
        (round(p * size), round((p + e) * size)) for p, e in zip(place, extent, strict=True)
    )
    mask = rectangle(size, rows, columns)
    xy, labels = draw_points(mask, 6, np.random.default_rng(seed))
    assert xy.dtype == np.float32
    assert labels[0] == 1
    longer = max(rows[1] - rows[0], columns[1] - columns[0])
    # a click is placed on a mask of 128 pixels a side at most
    grain = max(1, size // 128)
    for (x, y), label in zip(xy, labels, strict=True):
        beyond = max(rows[0] - y, y - (rows[1] - 1), columns[0] - x, x - (columns[1] - 1))
        if label:
            assert beyond <= grain / 2
        else:
            assert -grain < beyond <= max(4, longer) * grain
            assert beyond >= -grain / 2


@pytest.mark.parametrize("size", [64, 512])
def test_an_object_that_fills_the_window_gets_no_negative_point(size: int) -> None:
    mask = np.full((size, size), 255, np.uint8)
    for seed in range(10):
        _, labels = draw_points(mask, 4, np.random.default_rng(seed))
        assert labels.tolist() == [1] * 4


def test_a_point_alone_is_the_centre_of_its_cell_on_the_average() -> None:
    # one cell of four pixels is the object: clicks on it are spread evenly round its middle
    mask = rectangle(512, (200, 204), (320, 324))
    rng = np.random.default_rng(0)
    drawn = np.array([draw_points(mask, 1, rng)[0][0] for _ in range(300)])
    assert drawn.mean(0) == pytest.approx((321.5, 201.5), abs=0.2)


@pytest.mark.parametrize("seed", range(16))
def test_a_rough_mask_is_roughly_the_object(seed: int) -> None:
    mask = rectangle(64, (8, 32), (24, 60))
    logits = rough_mask(mask, np.random.default_rng(seed), 16)
    assert logits.shape == (16, 16)
    assert logits.dtype == np.float32
    painted, truth = logits > 0, mask[::4, ::4] > 0
    assert (painted & truth).sum() / (painted | truth).sum() > 0.3
    assert logits[truth].mean() > logits[~truth].mean()
