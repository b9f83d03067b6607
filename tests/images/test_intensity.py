"""The intensity window and the mapping to 8-bit RGB."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow, intensity_window, to_rgb8
from napari_pisam.images.source import ArraySource, PyramidSource, as_source

finite = st.floats(-1e30, 1e30, allow_subnormal=False)
arrays = st.one_of(
    hnp.arrays(np.uint8, (9, 7)),
    hnp.arrays(np.uint16, (9, 7)),
    hnp.arrays(np.int32, (9, 7)),
    hnp.arrays(np.bool_, (9, 7)),
    hnp.arrays(np.float64, (9, 7), elements=finite),
    hnp.arrays(np.float32, (9, 7), elements=st.floats(width=32)),
)


@given(array=arrays)
def test_any_pixels_get_a_window_and_a_picture(array: NDArray[Any]) -> None:
    window = intensity_window(as_source(array))
    assert window.low[0] < window.high[0]
    rgb8 = to_rgb8(array, window)
    assert rgb8.shape == (9, 7, 3)
    assert rgb8.dtype == np.uint8


@given(array=arrays)
def test_brighter_stays_brighter(array: NDArray[Any]) -> None:
    window = intensity_window(as_source(array))
    values = array[~np.isnan(array)] if array.dtype.kind == "f" else array.ravel()
    ordered = np.sort(values)[:, None, None]
    if len(ordered):
        assert (np.diff(to_rgb8(ordered, window)[:, 0, 0].astype(int)) >= 0).all()


@given(array=hnp.arrays(np.uint8, (9, 7)), gain=st.integers(1, 200), offset=st.integers(0, 9999))
def test_gain_and_offset_of_the_camera_do_not_matter(
    array: NDArray[Any], gain: int, offset: int
) -> None:
    scaled = array.astype(np.uint16) * np.uint16(gain) + np.uint16(offset)
    if array.min() == array.max():
        return
    a = to_rgb8(array, intensity_window(as_source(array)))
    b = to_rgb8(scaled, intensity_window(as_source(scaled)))
    assert np.abs(a.astype(int) - b).max() <= 1


@given(
    array=hnp.arrays(np.float32, (9, 7), elements=st.floats(0, 1, width=32)), seed=st.integers(0, 9)
)
def test_nan_and_infinity_do_not_move_the_window(array: NDArray[Any], seed: int) -> None:
    dirty = np.concatenate([array.ravel(), [np.nan, np.inf, -np.inf]]).astype(np.float32)
    dirty = np.random.default_rng(seed).permutation(dirty)[None]
    assert intensity_window(as_source(dirty)) == intensity_window(as_source(array))
    rgb8 = to_rgb8(np.array([[np.nan, np.inf, -np.inf]]), IntensityWindow((0.0,), (1.0,)))
    assert rgb8[0, :, 0].tolist() == [0, 255, 0]


@given(array=arrays, seed=st.integers(0, 9))
def test_the_order_of_the_pixels_does_not_matter(array: NDArray[Any], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(array.ravel()).reshape(array.shape)
    assert intensity_window(as_source(array)) == intensity_window(as_source(shuffled))


@pytest.mark.parametrize("value", [0, 7, 255, -3.5, 1e20, math.nan, math.inf])
def test_a_constant_image_divides_by_nothing(value: float) -> None:
    array = np.full((20, 20), value)
    assert (
        to_rgb8(array, intensity_window(as_source(array)))[0]
        == to_rgb8(array, intensity_window(as_source(array)))[1]
    ).all()


def test_a_few_bright_pixels_on_a_constant_ground_are_seen() -> None:
    array = np.zeros((200, 200), np.uint16)
    array[5, 5:7] = 900, 300
    rgb8 = to_rgb8(array, intensity_window(as_source(array)))
    assert rgb8[5, 4:7, 0].tolist() == [0, 255, 85]


def test_exact_percentiles_of_every_channel() -> None:
    array = np.random.default_rng(1).gamma(2, 300, (300, 200, 5)).astype(np.uint16)
    window = intensity_window(as_source(array))
    expected = np.percentile(array.reshape(-1, 5), (0.1, 99.9), axis=0)
    np.testing.assert_allclose((window.low, window.high), expected)


def test_rgb_shares_one_pair_so_that_colours_stay() -> None:
    array = np.random.default_rng(1).integers(0, 99, (50, 60, 3), dtype=np.uint8)
    array[..., 1] //= 4
    window = intensity_window(as_source(array))
    assert len(set(window.low)) == len(set(window.high)) == 1
    assert len(window.low) == 3
    assert len(set(intensity_window(as_source(array, rgb=False)).high)) > 1


class Field:
    """A 60000 x 50000 image that exists only where it is read."""

    shape, dtype = (60_000, 50_000), np.dtype("uint16")

    def __init__(self) -> None:
        self.read_pixels = 0

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, cols = (np.arange(s.start, s.stop) for s in key)
        self.read_pixels += len(rows) * len(cols)
        return np.asarray((rows[:, None] * 7919 + cols * 104_729) % 40_000 + 1000, np.uint16)


def test_a_huge_image_is_judged_from_a_fixed_small_part_of_it() -> None:
    field = Field()
    tracemalloc.start()
    window = intensity_window(ArraySource(field))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert field.read_pixels < 4.2e6
    assert peak < 100e6
    assert window == intensity_window(ArraySource(Field()))
    np.testing.assert_allclose((window.low[0], window.high[0]), (1040, 40_960), rtol=0.02)


@pytest.mark.parametrize("shape", [(3, 5_000_000), (5_000_000, 3), (2100, 2100), (2500, 300, 40)])
def test_images_of_any_shape_are_sampled_all_over(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(3).integers(0, 1000, shape, dtype=np.uint16)
    array[-len(array) // 3 :] += 1000
    window = intensity_window(as_source(array))
    assert len(window.low) == (shape[2] if len(shape) == 3 else 1)
    np.testing.assert_allclose(window.low, 1, atol=8)
    np.testing.assert_allclose(window.high, 1998, atol=8)


def test_a_coarse_level_speaks_for_a_pyramid() -> None:
    fine, coarse = Field(), np.arange(1500 * 1250, dtype=np.uint16).reshape(1500, 1250) % 500
    source = PyramidSource([fine, coarse, coarse[::8, ::8]])
    assert intensity_window(source).high[0] <= 499
    assert fine.read_pixels == 0


@pytest.mark.parametrize(("low", "high"), [(-1, 50), (50, 50), (60, 40), (1, 101)])
def test_percentiles_out_of_order_are_refused(low: Any, high: Any) -> None:
    with pytest.raises(ValueError, match="Percentiles"):
        intensity_window(as_source(np.eye(4)), low_percentile=low, high_percentile=high)


@pytest.mark.parametrize(
    ("low", "high"), [((), ()), ((0.0,), (0.0,)), ((0.0,), (1.0, 2.0)), ((math.nan,), (1.0,))]
)
def test_a_window_without_extent_is_refused(low: Any, high: Any) -> None:
    with pytest.raises(ValueError, match="intensity window"):
        IntensityWindow(low, high)


def test_channels_become_colours() -> None:
    pixels = np.stack([np.full((2, 2), v, np.uint8) for v in (10, 20, 30, 40)], axis=-1)
    one = IntensityWindow((0.0,), (255.0,))
    assert to_rgb8(pixels[..., :1], one)[0, 0].tolist() == [10, 10, 10]
    assert to_rgb8(pixels[..., :2], one)[0, 0].tolist() == [10, 20, 10]
    assert to_rgb8(pixels[..., :3], one)[0, 0].tolist() == [10, 20, 30]
    assert to_rgb8(pixels, one)[0, 0].tolist() == [10, 20, 30]
    assert to_rgb8(pixels, one, channels=(3, 1))[0, 0].tolist() == [40, 20, 40]
    assert to_rgb8(pixels, one, channels=(3,))[0, 0].tolist() == [40, 40, 40]


def test_each_channel_goes_through_its_own_pair() -> None:
    pixels = np.full((1, 1, 4), 100, np.uint16)
    window = IntensityWindow((0.0, 0.0, 0.0, 0.0), (100.0, 200.0, 400.0, 1000.0))
    assert to_rgb8(pixels, window, channels=(3, 0, 1))[0, 0].tolist() == [26, 255, 128]


@pytest.mark.parametrize("channels", [(), (0, 1, 2, 3), (4,), (-1,)])
def test_channels_that_do_not_exist_are_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="channels"):
        to_rgb8(np.zeros((2, 2, 4)), IntensityWindow((0.0,), (1.0,)), channels=channels)


def test_a_window_of_another_image_is_refused() -> None:
    with pytest.raises(ValueError, match="2 pairs for 3"):
        to_rgb8(np.zeros((2, 2, 3)), IntensityWindow((0.0, 0.0), (1.0, 1.0)))


def test_an_empty_window_gives_an_empty_picture() -> None:
    source = as_source(np.zeros((4, 4)))
    assert to_rgb8(source.read(Window(9, 9, 2, 2)), IntensityWindow((0.0,), (1.0,))).shape == (
        0,
        0,
        3,
    )
