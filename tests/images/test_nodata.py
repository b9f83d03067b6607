"""Pixels that were not measured do not set the contrast."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.images.files import open_source
from napari_pisam.images.intensity import intensity_window
from napari_pisam.images.source import ImageWarning, PyramidSource, as_source
from napari_pisam.widgets.files.reader import read_file
from tests.images.image_files import pattern


def _with_hole(value: float, dtype: str, share: float) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1000, 1200, (128, 128)).astype(dtype)
    pixels[: int(128 * share)] = value
    return pixels


@given(
    case=st.sampled_from(
        [
            (-9999, "float32"), (1e20, "float32"), (0, "float64"), (0, "uint16"), (65535, "uint16"),
            (-32768, "int16"), (-9999, "int32"),
        ]
    ),
    share=st.floats(0.08, 0.9),
)  # fmt: skip
def test_a_value_far_from_all_others_is_left_out_and_told(
    case: tuple[float, str], share: float
) -> None:
    with pytest.warns(ImageWarning, match=r"% of the pixels have the value .* left out"):
        window = intensity_window(as_source(_with_hole(*case, share)))
    assert 1000 <= window.low[0] < window.high[0] <= 1200


@pytest.mark.parametrize(("value", "share"), [(900, 0.3), (1300, 0.3), (-9999, 0.02)])
def test_other_values_stay(value: float, share: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = _with_hole(value, "float32", share)
        window = intensity_window(as_source(pixels))
    np.testing.assert_allclose((window.low[0], window.high[0]), np.percentile(pixels, (0.1, 99.9)))


@pytest.mark.parametrize("least", [1, 150])
def test_zeros_nearer_to_the_others_than_these_spread_are_a_dark_background(least: int) -> None:
    pixels = np.random.default_rng(0).integers(least, 400, (128, 128)).astype("uint16")
    pixels[:40] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window = intensity_window(as_source(pixels))
    assert window.low[0] == 0


def test_the_tag_of_gdal_is_believed_in_command_and_viewer(tmp_path: Path) -> None:
    pixels = _with_hole(3, "uint16", 0.02)
    tifffile.imwrite(tmp_path / "n.tif", pixels, extratags=[(42113, "s", 0, "3", True)])
    expected = np.percentile(pixels[pixels != 3], (0.1, 99.9))
    window = intensity_window(open_source(tmp_path / "n.tif"))
    np.testing.assert_allclose((window.low[0], window.high[0]), expected)
    ((_, about, _),) = read_file(str(tmp_path / "n.tif"))
    np.testing.assert_allclose(about["contrast_limits"], expected)


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_were_never_written_are_left_out(
    tmp_path: Path, version: Literal[2, 3]
) -> None:
    pixels = pattern(128, 128) + 500
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(256, 256), chunks=(64, 64), dtype="uint16", fill_value=3,
        zarr_format=version,
    )  # fmt: skip
    array[:128, :128] = pixels
    window = intensity_window(open_source(tmp_path / "a.zarr"))
    expected = np.percentile(pixels, (0.1, 99.9))
    np.testing.assert_allclose((window.low[0], window.high[0]), expected)
    array[...] = np.full((256, 256), 5, np.uint16)
    assert open_source(tmp_path / "a.zarr").nodata == (None,)


def test_levels_of_means_do_not_bring_it_back() -> None:
    fine = np.full((4096, 4096), 1000, np.float32)
    fine += np.arange(4096, dtype=np.float32) / 40
    fine[:, :1501] = -9999
    coarse = fine.reshape(1024, 4, 1024, 4).mean((1, 3))
    window = intensity_window(PyramidSource((fine, coarse), nodata=-9999))
    assert window.low[0] >= 1000
