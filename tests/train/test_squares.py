"""Squares of the grid: what they cut, where they lie, and that they change no number inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.model.config import config_of
from napari_pisam.model.decoder import PiDecoder
from napari_pisam.train.squares import (
    EMBEDDER_MARGIN,
    HEAD_MARGIN,
    Squares,
    object_squares,
    place_square,
    rgb_on_squares,
)

TOY = config_of("toy")


@pytest.fixture
def decoder() -> PiDecoder:
    torch.manual_seed(1)
    decoder = PiDecoder(TOY, "pi")
    decoder.eval()
    return decoder


def squares(corners: list[tuple[int, int]], side: int, grid: int = 16) -> Squares:
    return Squares(torch.tensor(corners), side, grid)


def test_cut_takes_the_square_at_any_resolution() -> None:
    grid = torch.arange(16.0).view(1, 1, 4, 4)
    fine = grid.repeat_interleave(2, 2).repeat_interleave(2, 3)
    where = squares([(1, 2)], 2, grid=4)
    assert where.cut(grid).tolist() == [[[[6.0, 7.0], [10.0, 11.0]]]]
    assert torch.equal(where.cut(fine)[0, 0, ::2, ::2], where.cut(grid)[0, 0])


def test_the_margin_is_not_taken_off_at_the_edge_of_the_window() -> None:
    inner = squares([(0, 4), (8, 8)], 8).inner_xyxy_unit(2)
    assert inner[0].tolist() == [0.25, 0.0, 0.75, 0.75]
    assert inner[1].tolist() == [0.25, 0.25, 1.0, 1.0]


def test_points_are_held_by_the_square_they_lie_in() -> None:
    where = squares([(0, 8)], 8)
    xy = torch.tensor([[[0.75, 0.25], [0.25, 0.75], [0.5, 0.0]]])
    assert where.hold(xy).tolist() == [[True, False, True]]


@given(st.integers(0, 2**32), st.integers(1, 16), st.integers(1, 16), st.integers(1, 16))
def test_a_square_holds_its_object_or_a_part_of_it(
    seed: int, height: int, width: int, side: int
) -> None:
    rng = np.random.default_rng(seed)
    y, x = rng.integers(17 - height), rng.integers(17 - width)
    cells = np.zeros((16, 16), np.bool_)
    cells[y : y + height, x : x + width] = True
    row, column = place_square(cells, side, rng)
    assert 0 <= row <= 16 - side
    assert 0 <= column <= 16 - side
    seen = cells[row : row + side, column : column + side]
    assert seen.sum() == cells.sum() if max(height, width) <= side else seen.any()


def test_the_rgb_embedding_of_a_square_is_that_of_the_window(decoder: PiDecoder) -> None:
    picture = torch.randn(3, 3, 64, 64)
    where = squares([(0, 0), (5, 3), (8, 8)], 8)
    with torch.no_grad():
        whole = where.cut(decoder.rgb_embed(picture))
        part = rgb_on_squares(decoder.rgb_embed, picture, where)
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-6)


def test_inside_its_margin_a_square_gives_what_the_window_gives(decoder: PiDecoder) -> None:
    feature, low = torch.randn(2, TOY.feature, 64, 64), torch.randn(2, 1, 64, 64)
    picture = torch.randn(2, 3, 256, 256)
    where = squares([(0, 20), (32, 5)], 32, grid=64)
    with torch.no_grad():
        whole = decoder.head(decoder.mask_aspp(feature, low), decoder.rgb_embed(picture))
        part = decoder.head(
            decoder.mask_aspp(where.cut(feature), where.cut(low)),
            rgb_on_squares(decoder.rgb_embed, picture, where),
        )
    difference = (part - where.cut(whole)).abs()
    for row, (x0, y0, x1, y1) in enumerate(where.inner_xyxy_unit(EMBEDDER_MARGIN + HEAD_MARGIN)):
        inner = difference[row, 0, int(y0 * 128) : int(y1 * 128), int(x0 * 128) : int(x1 * 128)]
        assert inner.max() < 1e-5
    assert difference.max() > 1e-3


def test_objects_get_squares_within_the_window() -> None:
    target, low = torch.zeros(4, 1, 64, 64), torch.randn(4, 1, 16, 16)
    target[:, :, 10:20, 30:40] = 1
    found = object_squares(target, low, 8, rng=np.random.default_rng(0))
    assert found.corners.shape == (4, 2)
    assert (found.corners >= 0).all()
    assert (found.corners <= 8).all()


def test_the_interactor_on_the_whole_grid_as_a_square_is_the_plain_one(decoder: PiDecoder) -> None:
    torch.nn.init.normal_(decoder.interact_2.out_cov.weight)
    feature, token = torch.randn(1, TOY.feature, 16, 16), torch.randn(1, 1, TOY.feature)
    clicks = {"clicks_xy_unit": torch.rand(1, 3, 2), "click_labels": torch.tensor([[1, 0, -1]])}
    with torch.no_grad():
        plain = decoder.interact_2(feature, token, **clicks)
        square = decoder.interact_2(feature, token, **clicks, corners=torch.tensor([[0, 0]]))
    torch.testing.assert_close(square, plain)


def test_clicks_sample_a_square_where_they_sample_the_window(decoder: PiDecoder) -> None:
    feature = torch.randn(1, TOY.feature, 16, 16)
    xy, labels = torch.tensor([[[0.5, 0.6]]]), torch.tensor([[1]])
    where = squares([(4, 3)], 8)
    with torch.no_grad():
        plain = decoder.interact_2.click_tokens(feature, xy, labels)
        square = decoder.interact_2.click_tokens(
            where.cut(feature), xy, labels, corners=where.corners
        )
    torch.testing.assert_close(square, plain, rtol=0, atol=1e-5)
