"""Levels that are made: a pixel depends on its place alone, and memory on what is asked for."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images import overviews
from napari_pisam.images.intensity import intensity_window
from napari_pisam.images.overviews import Overview, with_overviews
from napari_pisam.images.source import PyramidSource, as_source, plane_of
from tests.images.image_files import pattern


class Watched:
    """An array that remembers how many pixels were read of it at once."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read: list[int] = []

    def __getitem__(self, key: Any) -> NDArray[Any]:
        found: NDArray[Any] = self.array[key]
        self.read.append(found.size)
        return found


@pytest.mark.parametrize("factor", [2, 4, 16])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "bool"])
def test_a_pixel_is_the_mean_of_pixels_spread_over_it(factor: int, dtype: str) -> None:
    array = (pattern(80, 99) % (2 if dtype == "bool" else 200)).astype(dtype)
    made = Overview(array, (factor, factor), plane=(0, 1))
    assert made.shape == (80 // factor, 99 // factor)
    assert made.dtype == array.dtype
    step = max(1, factor // 4)
    block = array[factor : 2 * factor, 3 * factor : 4 * factor][
        step // 2 :: step, step // 2 :: step
    ]
    mean = block.astype(np.float64).mean()
    expected = mean >= 0.5 if dtype == "bool" else mean
    assert made[1, 3] == pytest.approx(expected, abs=0.5 if dtype != "float32" else 1e-3)


def test_labels_are_never_mixed() -> None:
    labels = pattern(64, 64)
    made = np.asarray(Overview(labels, (8, 4), plane=(0, 1), nearest=True))
    np.testing.assert_array_equal(made, labels[4::8, 2::4])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_part_is_cut_out_of_the_whole(data: st.DataObject) -> None:
    array = pattern(3, 150, 170)
    made = Overview(array, (4, 2), plane=(1, 2))
    whole = np.asarray(Overview(array, (4, 2), plane=(1, 2)))
    key = tuple(
        data.draw(st.integers(0, n - 1) | st.slices(n).filter(bool), label="key")
        for n in made.shape
    )
    np.testing.assert_array_equal(made[key], whole[key])


@pytest.mark.parametrize("plane", [(0, 1), (1, 2), (0, 2)])
def test_rows_and_columns_may_be_any_axes(plane: tuple[int, int]) -> None:
    array = np.moveaxis(pattern(40, 48, 3), (0, 1), plane)
    made = np.moveaxis(np.asarray(Overview(array, (2, 2), plane=plane)), plane, (0, 1))
    flat = np.moveaxis(array, plane, (0, 1)).reshape(20, 2, 24, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(made, np.rint(flat))


def test_a_plane_is_made_in_pieces_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overviews, "BLOCK", 64)
    watched = Watched(pattern(600, 700))
    made = Overview(watched, (4, 4), plane=(0, 1))
    steps = list(made.steps())
    assert steps[-1] == (len(steps), len(steps)) == (110, 110)
    assert max(watched.read) <= 64 * 64
    before = len(watched.read)
    np.testing.assert_array_equal(made[3:9, 4:7], np.asarray(made)[3:9, 4:7])
    assert len(watched.read) == before


def test_small_images_get_no_levels_and_large_ones_down_to_an_overview() -> None:
    small = np.broadcast_to(np.uint8(3), (8192, 8192))
    assert with_overviews((small,)) == (small,)
    wide = np.broadcast_to(np.uint8(3), (70, 40_000))
    assert [level.shape for level in with_overviews((wide,))[1:]] == [
        (35, 20_000), (17, 10_000), (8, 5000), (4, 2500), (2, 1250),
    ]  # fmt: skip
    large = np.broadcast_to(np.uint8(3), (3, 30_000, 20_000))
    levels = with_overviews((large, large[:, ::2, ::2]), (1, 2))
    assert [level.shape for level in levels[2:]] == [
        (3, 7500, 5000), (3, 3750, 2500), (3, 1875, 1250),
    ]  # fmt: skip


def test_a_window_of_any_size_is_read_in_bounded_memory(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "large", np.uint16, "w+", shape=(30_000, 30_000))
    file[20_000:20_100, 9000:9100] = 7
    source = as_source(file)
    assert source.levels == (1.0, 2.0, 4.0, 8.0, 16.0)
    tracemalloc.start()
    try:
        pixels = source.read(Window(0, 0, 30_000, 30_000, 4))
        window = intensity_window(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels.shape == (1875, 1875, 1)
    assert pixels[1253, 565, 0] == 7
    assert (window.low[0], window.high[0]) != (0.0, 0.0)
    assert peak < 120e6


def test_intensities_are_measured_on_what_is_stored() -> None:
    watched = Watched(np.zeros((8200, 8200), np.uint8))
    source = PyramidSource([watched])
    assert (len(source.levels), source.stored_levels) == (4, 1)
    intensity_window(source)
    assert sum(watched.read) <= 8192 * 8192 / 10
    layer = list(with_overviews([watched]))
    assert PyramidSource(plane_of(layer, ())).stored_levels == 1
