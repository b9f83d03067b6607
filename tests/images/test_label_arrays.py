"""Labels in tiles are the labels of an array, without its memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_pisam.images.label_arrays import LayeredLabels, SparseLabels


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_they_read_as_the_array_that_was_written(data: st.DataObject) -> None:
    shape = (2, 600, 700)
    sparse, array = SparseLabels(shape), np.zeros(shape, np.uint32)
    for value in range(1, 6):
        z = data.draw(st.integers(0, 1))
        y, x = data.draw(st.integers(0, 500)), data.draw(st.integers(0, 600))
        where = (z, slice(y, y + data.draw(st.integers(1, 99))), slice(x, x + 90))
        part = (np.indices(array[where].shape).sum(0) % 3 > 0) * value
        sparse[where] = part
        array[where] = part
    key = tuple(data.draw(st.integers(0, n - 1) | st.slices(n), label="key") for n in shape)
    np.testing.assert_array_equal(sparse[key], array[key])
    np.testing.assert_array_equal(np.asarray(sparse), array)
    counted = dict(zip(*np.unique(array, return_counts=True), strict=True))
    assert sparse.areas() == {k: n for k, n in counted.items() if k}


def test_only_where_objects_are_is_memory_taken() -> None:
    sparse = SparseLabels((10**6, 10**6))
    sparse[5000:5100, 999_900:] = 7
    sparse[0:300, 0:9000] = 0
    assert sparse.nbytes <= 4 * 256 * 256 * 4
    assert sparse.areas() == {7: 100 * 100}
    assert sparse[5099, 999_999] == 7
    rows, cols = np.arange(0, 10**6, 1000) + 50, np.arange(0, 10**6, 1000) + 950
    assert np.argwhere(sparse.at(rows, cols)).tolist() == [[5, 999]]


def test_only_rectangles_are_written() -> None:
    sparse = SparseLabels((3, 50, 50))
    with pytest.raises(IndexError, match="Rectangles of one plane"):
        sparse[:, 0:5, 0:5] = 1
    with pytest.raises(IndexError, match="Rectangles of one plane"):
        sparse[0, 0:5:2, 0:5] = 1


@pytest.mark.parametrize("shape", [(300, 9000), (3, 5000, 70), (2, 1, 3000, 3001)])
def test_every_level_is_every_so_many_pixels_of_the_finest(shape: tuple[int, ...]) -> None:
    labels, array = LayeredLabels(shape, np.uint16), np.zeros(shape, np.uint16)
    random = np.random.default_rng(0)
    for number in range(1, 12):
        where: list[int | slice] = [int(random.integers(n)) for n in shape[:-2]]
        for n in shape[-2:]:
            start = int(random.integers(n))
            where.append(slice(start, min(n, start + int(random.integers(1, 900)))))
        block = number * random.integers(0, 2, array[tuple(where)].shape)
        labels[tuple(where)] = block
        array[tuple(where)] = block
    assert labels.highest == 11
    assert len(labels.levels) > 1
    for power, level in enumerate(labels.levels):
        fy, fx = (min(2**power, side) for side in shape[-2:])
        thin = array[..., fy // 2 :: fy, fx // 2 :: fx]
        assert np.array_equal(level[...], thin[..., : level.shape[-2], : level.shape[-1]])


def test_a_block_through_the_planes_is_written_too() -> None:
    labels = LayeredLabels((6, 40, 50), np.uint16)
    labels[1:4, 7, 10:20] = 5
    assert (labels[...] == 5).sum() == 30
    assert labels[2, 7, 15] == 5
