"""Every kind of source reads what slicing the array would give, and no more of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_pisam.geometry import Window, tile_grid
from napari_pisam.images.source import (
    ArraySource,
    ImageError,
    ImageSource,
    PyramidSource,
    as_source,
    best_level,
    plane_of,
)

DTYPES = ("bool", "uint8", ">u2", "uint16", "int32", "uint32", "float16", "float32", "float64")
windows = st.builds(
    Window, st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 60), st.integers(1, 60)
)


class Counting:
    """An array that records how many pixels each read takes."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.taken: list[int] = []

    def __getitem__(self, key: Any) -> NDArray[Any]:
        part: NDArray[Any] = self.array[key]
        self.taken.append(part.size)
        return part


class Levels(list[Any]):
    """What napari's MultiScaleData looks like: a sequence with shape and dtype."""

    shape, dtype = (8, 8), np.dtype("uint8")


def image(height: int = 30, width: int = 40, *rest: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.asarray(np.random.default_rng(0).integers(0, 255, (height, width, *rest)), dtype)


@given(
    data=st.data(),
    dtype=st.sampled_from(DTYPES),
    shape=hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=24),
    window=windows,
)
def test_reading_is_slicing(
    data: st.DataObject, dtype: str, shape: tuple[int, ...], window: Window
) -> None:
    array = data.draw(hnp.arrays(np.dtype(dtype), shape))
    source = as_source(array, rgb=False)
    stack = array if array.ndim == 3 else array[..., None]
    expected = stack[
        max(window.y, 0) : max(window.y + window.height, 0),
        max(window.x, 0) : max(window.x + window.width, 0),
    ]
    pixels = source.read(window)
    assert pixels.dtype == source.dtype == array.dtype
    assert pixels.shape[2] == source.channels
    if expected.size:
        np.testing.assert_array_equal(pixels, expected)
    else:
        assert pixels.shape == (0, 0, source.channels)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    factor=st.integers(1, 5),
    core=st.integers(5, 30),
    ceil=st.booleans(),
)
@example(height=1, width=16, factor=3, core=6, ceil=True)
def test_windows_that_partition_the_image_partition_each_level(
    height: int, width: int, factor: int, core: int, ceil: bool
) -> None:
    rows, cols = (max(1, -(-n // factor) if ceil else n // factor) for n in (height, width))
    coarse = np.arange(rows * cols).reshape(rows, cols)
    source = PyramidSource([np.zeros((height, width), coarse.dtype), coarse])
    seen = np.zeros(rows * cols, int)
    for tile in tile_grid(height, width, core=core, halo=0):
        c = tile.core
        seen[source.read(Window(c.y, c.x, c.height, c.width, 1)).ravel()] += 1
    # An edge tile thinner than a coarse pixel must still get one: that pixel is then read twice.
    assert seen.min() >= 1
    if height % core == 0 and width % core == 0 and core % factor == 0:
        assert seen.max() == 1


def test_a_coarse_window_has_the_pixels_of_its_place() -> None:
    full = image(64, 96)
    source = PyramidSource([full, full[::4, ::4]])
    np.testing.assert_array_equal(
        source.read(Window(8, 16, 20, 40, 1))[..., 0], full[8:28:4, 16:56:4]
    )


@pytest.mark.parametrize(("y", "first"), [(0, 0), (1, 0), (2, 1), (3, 1), (5, 1), (6, 2)])
def test_edges_at_a_coarse_level_are_the_nearest_ones(y: int, first: int) -> None:
    rows = np.repeat(np.arange(10), 10).reshape(10, 10)
    source = PyramidSource([np.zeros((40, 40), int), rows])
    assert source.read(Window(y, 0, 8, 8, 1))[0, 0, 0] == first


@pytest.mark.parametrize("size", [(1023, 511), (1024, 512), (1025, 513), (1001, 250)])
def test_level_factors_ignore_the_rounding_of_sizes(size: tuple[int, int]) -> None:
    full, reduced = size
    source = PyramidSource([np.zeros((full, full)), np.zeros((reduced, reduced))])
    assert source.levels == (1.0, round(full / reduced))


def test_rgba_is_seen_over_black_and_gray_gains_an_axis() -> None:
    rgba = image(10, 12, 4, dtype="uint8")
    source = as_source(rgba)
    assert source.rgb
    assert source.channels == 3
    shown = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255))
    np.testing.assert_array_equal(source.read(Window(0, 0, 10, 12)), shown)
    assert as_source(rgba[..., 0]).read(Window(0, 0, 10, 12)).shape == (10, 12, 1)


def test_four_channels_of_16_bit_stay_four_unless_called_rgb() -> None:
    assert as_source(image(10, 12, 4)).channels == 4
    assert as_source(image(10, 12, 4), rgb=True).channels == 3
    assert as_source(image(10, 12, 4, dtype="uint8"), rgb=False).channels == 4


def test_only_the_window_is_read() -> None:
    array = Counting(np.zeros((5000, 4000, 3), np.uint8))
    as_source(array).read(Window(100, 200, 30, 20))
    assert array.taken == [30 * 20 * 3]


def test_all_kinds_of_containers_are_sources() -> None:
    array = image()
    import dask.array
    import zarr

    kinds = [
        array,
        dask.array.asarray(array, chunks=7),  # type: ignore[no-untyped-call]
        zarr.array(array, chunks=(8, 8)),
    ]
    kinds += [[array, array[::2, ::2]], Levels([array, array[::2, ::2]]), array.tolist()]
    for kind in kinds:
        source = as_source(kind)
        assert isinstance(source, ImageSource)
        assert as_source(source) is source
        np.testing.assert_array_equal(source.read(Window(3, -5, 9, 17))[..., 0], array[3:12, :12])


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (np.zeros((2, 3, 4, 5)), "plane_of"),
        (np.zeros(7), "plane_of"),
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((3, 512, 512)), "moveaxis"),
        (np.array([["a", "b"]]), "Pixels"),
        (np.zeros((4, 4), complex), "Pixels"),
        ("picture.tif", "path"),
        ([np.zeros((4, 4)), np.zeros((8, 8))], "largest"),
        ([np.zeros((8, 8)), np.zeros((4, 4, 3))], "channels"),
        ([[1, 2], [3]], "no image"),
        (object(), "Pixels"),
        (None, "Pixels"),
    ],
)
def test_what_is_no_image_gets_one_sentence(bad: object, word: str) -> None:
    with pytest.raises(ImageError, match=word):
        as_source(bad)


def test_a_level_that_does_not_exist_is_refused() -> None:
    for level in (-1, 1):
        with pytest.raises(ValueError, match="level"):
            ArraySource(image()).read(Window(0, 0, 2, 2, level))


@pytest.mark.parametrize(
    ("scale", "level"), [(0.1, 0), (1, 0), (1.99, 1), (3.9, 1), (4, 2), (3.97, 2), (99, 3)]
)
def test_best_level_is_the_coarsest_that_is_fine_enough(scale: float, level: int) -> None:
    source = PyramidSource([np.zeros((64 // f, 64 // f)) for f in (1, 2, 4, 8)])
    assert best_level(source, scale) == level


def test_a_plane_of_a_stack_is_picked_without_reading_the_stack() -> None:
    stack = Counting(image(6, 5, 30, 40))
    plane = plane_of(stack, (2, -1))
    assert plane.shape == (30, 40)
    assert stack.taken == []
    np.testing.assert_array_equal(plane[3:9, 4:8], stack.array[2, 4, 3:9, 4:8])
    assert stack.taken == [24]


def test_a_plane_can_have_its_channels_anywhere() -> None:
    stack = image(3, 7, 30, 40)
    plane = plane_of(stack, (slice(None), 5), channel_axis=0)
    np.testing.assert_array_equal(plane[1:4, 2:9], np.moveaxis(stack[:, 5], 0, -1)[1:4, 2:9])
    np.testing.assert_array_equal(
        as_source(plane).read(Window(0, 0, 30, 40)), np.moveaxis(stack[:, 5], 0, -1)
    )


def test_a_plane_of_a_pyramid_is_a_pyramid_also_when_depth_shrinks() -> None:
    full = image(8, 32, 32)
    planes = plane_of([full, full[::2, ::2, ::2]], (6,))
    np.testing.assert_array_equal(planes[0][:, :], full[6])
    np.testing.assert_array_equal(planes[1][:, :], full[6, ::2, ::2])
    assert as_source(planes).levels == (1.0, 2.0)


@pytest.mark.parametrize("index", [(9,), (-9,), (0, 0, 0, 0)])
def test_a_plane_outside_the_stack_is_refused(index: tuple[int, ...]) -> None:
    with pytest.raises(IndexError):
        plane_of(image(8, 4, 4), index)
