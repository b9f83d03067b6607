"""Image files that are unusual, incomplete or huge: whole in meaning, or one sentence."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
import zarr

from napari_pisam.geometry import Window
from napari_pisam.images.files import open_source
from napari_pisam.images.intensity import intensity_window
from napari_pisam.images.source import ImageError, ImageWarning
from napari_pisam.images.tiff import open_tiff
from napari_pisam.images.zarr import open_zarr
from tests.images.image_files import pattern, write_ndpi, write_ngff, write_pyramid

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0" Name="s"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16"
SizeX="60" SizeY="50" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData FirstZ="0" IFD="0" PlaneCount="1">
<UUID FileName="a.ome.tif">urn:uuid:{a}</UUID></TiffData>
<TiffData FirstZ="1" IFD="0" PlaneCount="1">
<UUID FileName="b.ome.tif">urn:uuid:{b}</UUID></TiffData>
</Pixels></Image></OME>"""
A, B = (f"{letter}0000000-0000-0000-0000-000000000000" for letter in "ab")


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("sizes", [[(301, 400), (150, 200)], [(201, 267), (67, 89)]])
def test_levels_need_not_be_halves(
    tmp_path: Path, byteorder: Literal["<", ">"], sizes: list[tuple[int, int]]
) -> None:
    levels = [pattern(*size, seed=i) for i, size in enumerate([(601, 801), *sizes])]
    with tifffile.TiffWriter(tmp_path / "p.tif", byteorder=byteorder) as file:
        for i, level in enumerate(levels):
            file.write(
                level,
                tile=(64, 64),
                compression="zlib",
                subifds=0 if i else len(sizes),
                subfiletype=int(i > 0),
            )
    source = open_tiff(tmp_path / "p.tif")[0].plane()
    for i, level in enumerate(levels):
        pixels = source.read(Window(0, 0, 601, 801, i))
        np.testing.assert_array_equal(pixels[..., 0], level)
        assert source.levels[i] == pytest.approx(np.sqrt(601 * 801 / level.size), rel=0.01)
    quarter = source.read(Window(300, 400, 301, 401, 1)).shape
    assert quarter[0] == pytest.approx(levels[1].shape[0] / 2, abs=1)
    assert quarter[1] == pytest.approx(levels[1].shape[1] / 2, abs=1)


def test_a_planar_rgb_pyramid_is_rgb(tmp_path: Path) -> None:
    rgb = pattern(300, 200, 3, dtype="uint8")
    how: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "tile": (64, 64)}
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True, byteorder=">") as file:
        for k in (1, 2):
            planes = np.ascontiguousarray(np.moveaxis(rgb[::k, ::k], 2, 0))
            file.write(planes, subifds=2 - k, subfiletype=k - 1, compression="lzw", **how)
    (image,) = open_tiff(tmp_path / "p.ome.tif")
    source = image.plane()
    assert (source.rgb, source.levels) == (True, (1.0, 2.0))
    np.testing.assert_array_equal(source.read(Window(64, 32, 50, 60)), rgb[64:114, 32:92])
    np.testing.assert_array_equal(source.read(Window(0, 0, 300, 200, 1)), rgb[::2, ::2])


def test_a_stack_of_channels_in_time_is_a_pyramid_of_planes(tmp_path: Path) -> None:
    full = pattern(2, 3, 2, 200, 240)
    write_pyramid(
        tmp_path / "s.ome.tif", full, (2,), axes="TZCYX", PhysicalSizeZ=3.0, TimeIncrement=5.0
    )
    (image,) = open_tiff(tmp_path / "s.ome.tif")
    assert image.stack == {"t": 2, "z": 3}
    assert image.scale[:2] == (5.0, 3.0)
    source = image.plane({"t": 1, "z": 2})
    plane = np.moveaxis(full[1, 2], 0, -1)
    for level, k in enumerate((1, 2)):
        np.testing.assert_array_equal(source.read(Window(0, 0, 200, 240, level)), plane[::k, ::k])


def test_a_hamamatsu_slide_is_the_slide_and_not_its_photograph(tmp_path: Path) -> None:
    rgb = pattern(600, 800, 3, dtype="uint8")
    write_ndpi(tmp_path / "slide.ndpi", rgb)
    (image,) = open_tiff(tmp_path / "slide.ndpi")
    assert (image.name, image.rgb, image.scale[:2]) == ("slide", True, (0.5, 0.5))
    assert image.units[:2] == ("micrometer", "micrometer")
    source = image.plane()
    assert source.levels == (1.0, 4.0)
    np.testing.assert_array_equal(source.read(Window(0, 0, 600, 800)), rgb)
    np.testing.assert_array_equal(source.read(Window(0, 0, 600, 800, 1)), rgb[::4, ::4])


def test_planes_in_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    for name, own, value in (("a", A, 7), ("b", B, 9)):
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif",
            np.full((50, 60), value, np.uint16),
            description=OME.format(own=own, a=A, b=B),
            metadata=None,
        )
    (image,) = open_tiff(tmp_path / "a.ome.tif")
    assert np.asarray(image.levels[0]).max((1, 2)).tolist() == [7, 9]
    (tmp_path / "b.ome.tif").unlink()
    with pytest.warns(ImageWarning, match=r"^1 of 2 planes of a\.ome\.tif are not in the file"):
        (image,) = open_tiff(tmp_path / "a.ome.tif")
    assert np.unique(np.asarray(image.levels[0])).tolist() == [7]
    with pytest.raises(ImageError, match="is one plane"):
        image.plane({"z": 1})


def test_tiles_that_were_never_written_are_black(tmp_path: Path) -> None:
    tiles = (None if i % 2 else np.full((64, 64), 5, np.uint16) for i in range(16))
    tifffile.imwrite(
        tmp_path / "holes.tif",
        tiles,
        shape=(256, 256),
        dtype="uint16",
        tile=(64, 64),
        compression="zlib",
    )
    pixels = open_source(tmp_path / "holes.tif").read(Window(0, 0, 256, 256))
    assert pixels[::64, ::64, 0].tolist() == [[5, 0, 5, 0]] * 4


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "float16", "float64", "bool"])
def test_every_real_number_type_is_read_and_windowed(tmp_path: Path, dtype: str) -> None:
    array = (pattern(40, 50) % 100).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    zarr.create_array(tmp_path / "a.zarr", data=array)
    np.save(tmp_path / "a.npy", array)
    for name in ("a.tif", "a.zarr", "a.npy"):
        source = open_source(tmp_path / name)
        np.testing.assert_array_equal(source.read(Window(0, 0, 40, 50))[..., 0], array)
        window = intensity_window(source)
        assert window.low[0] < window.high[0]


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.npy"])
def test_complex_pixels_get_one_sentence(tmp_path: Path, name: str) -> None:
    array = np.ones((40, 50), np.complex64)
    tifffile.imwrite(tmp_path / "a.tif", array)
    zarr.create_array(tmp_path / "a.zarr", data=array)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ImageError, match=r"^Pixels are integers, real numbers or booleans.*\.$"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("shape", [(0, 50), (40, 0), (40, 50, 0)])
def test_an_image_without_pixels_gets_one_sentence(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.uint8)
    np.save(tmp_path / "a.npy", array)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, dtype="uint8", chunks=(10,) * len(shape))
    for name in ("a.npy", "a.zarr"):
        with pytest.raises(ImageError, match=r"no pixels[^\n]*\.$"):
            open_source(tmp_path / name)


@pytest.mark.parametrize(
    "array",
    [
        np.full((1, 1), 7, np.uint16),
        np.full((30, 40), 7, np.uint16),
        np.full((30, 40), np.nan, np.float32),
        np.full((30, 40), np.inf, np.float32),
        np.zeros((30, 40), bool),
        np.full((30, 40), -(2**62), np.int64),
    ],
)
def test_images_of_one_value_have_a_window(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array)
    window = intensity_window(open_source(tmp_path / "a.tif"))
    assert window.low[0] < window.high[0]


def test_a_huge_uncompressed_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    # Strips of one row each, 3.2 GB; the file system stores nothing for what is never written.
    file = tifffile.memmap(tmp_path / "huge.tif", shape=(40_000, 40_000), dtype="uint16")
    file[30_000:30_200, 39_000:39_200] = 500
    file.flush()
    del file
    tracemalloc.start()
    try:
        source = open_source(tmp_path / "huge.tif")
        near = source.read(Window(29_900, 38_900, 400, 400))
        far = source.read(Window(0, 0, 40_000, 40_000, len(source.levels) - 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (near[150, 150, 0], near[50, 50, 0]) == (500, 0)
    assert far.shape == (1250, 1250, 1)
    assert far[940, 1222, 0] == 500
    assert peak < 60e6


def test_the_images_of_a_well_open_and_a_plate_says_where_they_are(tmp_path: Path) -> None:
    plate = zarr.create_group(tmp_path / "p.zarr")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}]}}
    well = zarr.create_group(tmp_path / "p.zarr" / "A" / "1")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}
    for key in ("0", "1"):
        write_ngff(
            tmp_path / "p.zarr/A/1" / key, pattern(40, 40), version="0.5", axes="yx", scale=(1, 1)
        )
    with pytest.raises(ImageError, match=r"folder of one image in it, such as A/1/0\.$"):
        open_zarr(tmp_path / "p.zarr")
    assert len(open_zarr(tmp_path / "p.zarr" / "A" / "1")) == 2
    assert len(open_zarr(tmp_path / "p.zarr" / "A" / "1" / "0")) == 1


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_that_are_damaged_are_told_and_cost_no_image(tmp_path: Path, version: str) -> None:
    group = write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version=version,
        axes="yx",
        scale=(1, 1),
        labels=pattern(40, 40),
    )
    inside: Any = group["labels"]
    listed = {"labels": ["cells", "lost"]}
    inside.attrs.update({"ome": {"version": "0.5", **listed}} if version == "0.5" else listed)
    with pytest.warns(UserWarning, match=r"^The label image lost .*\. The image opens without it"):
        image, labels = open_zarr(tmp_path / "a.zarr")
    assert (image.labels, labels.labels, labels.name) == (False, True, "cells")


def test_colours_and_properties_of_labels_are_kept(tmp_path: Path) -> None:
    group = write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version="0.4",
        axes="yx",
        scale=(1, 1),
        labels=pattern(40, 40),
    )
    inside: Any = group["labels/cells"]
    inside.attrs["image-label"] = {
        "colors": [
            {"label-value": 4, "rgba": [255, 0, 51, 255]},
            {"label-value": "x", "rgba": [0, 0, 0, 0]},
            {"label-value": 5, "rgba": "red"},
            7,
        ],
        "properties": [{"label-value": 4, "kind": "nucleus"}, {"label-value": 9, "area": 3}],
    }
    _, labels = open_zarr(tmp_path / "a.zarr")
    assert labels.label_colors == {4: (1.0, 0.0, 0.2, 1.0)}
    assert labels.label_properties == {4: {"kind": "nucleus"}, 9: {"area": 3}}
