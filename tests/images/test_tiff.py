"""TIFF files open without being loaded, whole in meaning, or with one sentence."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.alpha import over_black
from napari_pisam.images.source import ImageError
from napari_pisam.images.tiff import is_tiff, open_tiff
from tests.images.image_files import pattern, write_pyramid, write_slide

LAYOUTS: list[dict[str, Any]] = [
    {},
    {"tile": (64, 64)},
    {"tile": (64, 64), "compression": "zlib", "predictor": True},
    {"compression": "lzw", "rowsperstrip": 7},
    {"compression": "zstd"},
    {"byteorder": ">"},
    {"byteorder": ">", "compression": "zlib"},
    {"bigtiff": True, "tile": (32, 48)},
]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "uint32", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_as_the_array(
    tmp_path: Path, layout: dict[str, Any], dtype: str
) -> None:
    if dtype == "bool" and layout.get("predictor"):
        pytest.skip("no predictor for single bits")
    array = pattern(150, 170, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, **layout)
    (image,) = open_tiff(tmp_path / "a.tif")
    pixels = image.plane().read(Window(-5, 60, 100, 200))
    np.testing.assert_array_equal(pixels[..., 0], array[:95, 60:])
    assert pixels.dtype.isnative
    assert image.name == "a"
    assert image.axes == "yx"


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("samples", [3, 4])
def test_rgb_is_rgb_in_any_order(
    tmp_path: Path, planar: str, compression: str | None, samples: int
) -> None:
    rgb = pattern(90, 110, samples, dtype="uint8")
    stored = rgb if planar == "contig" else np.moveaxis(rgb, 2, 0)
    extra: dict[str, Any] = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        **extra,
    )
    source = open_tiff(tmp_path / "a.tif")[0].plane()
    assert source.rgb
    shown = over_black(rgb) if samples == 4 else rgb
    np.testing.assert_array_equal(source.read(Window(5, 7, 50, 60)), shown[5:55, 7:67])


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    array = pattern(90, 110, 3)
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig", tile=(32, 32)
    )
    (image,) = open_tiff(tmp_path / "a.tif")
    assert (image.axes, len(image.channels), image.rgb) == ("yxc", 3, False)
    np.testing.assert_array_equal(image.plane().read(Window(0, 0, 90, 110)), array)


def test_a_pyramid_keeps_levels_scale_units_and_channels(tmp_path: Path) -> None:
    full = pattern(2, 600, 800)
    write_pyramid(
        tmp_path / "cells.ome.tif",
        full,
        (2, 4),
        axes="CYX",
        PhysicalSizeX=0.25,
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=500,
        PhysicalSizeYUnit="nm",
        Channel={"Name": ["DAPI", "GFP"], "Color": [0x0000FF_FF, 0x00FF00_FF]},
    )
    (image,) = open_tiff(tmp_path / "cells.ome.tif")
    assert image.name == "cells"
    assert [level.shape for level in image.levels] == [(2, 600, 800), (2, 300, 400), (2, 150, 200)]
    assert image.scale == (1.0, 500.0, 0.25)
    assert image.units == ("pixel", "nanometer", "micrometer")
    assert [c.name for c in image.channels] == ["DAPI", "GFP"]
    assert [c.color for c in image.channels] == [(0, 0, 1), (0, 1, 0)]
    source = image.plane()
    assert source.levels == (1.0, 2.0, 4.0)
    for level, k in enumerate((1, 2, 4)):
        pixels = source.read(Window(80, 160, 200, 400, level))
        np.testing.assert_array_equal(pixels, np.moveaxis(full[:, 80:280:k, 160:560:k], 0, -1))


def test_levels_without_subifds_are_found(tmp_path: Path) -> None:
    full = pattern(512, 512)
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        for k in (1, 2, 4):
            file.write(
                full[::k, ::k],
                tile=(128, 128),
                metadata=None,
                resolution=(20000, 10000),
                resolutionunit="CENTIMETER",
            )
    (image,) = open_tiff(tmp_path / "v.tif")
    assert image.plane().levels == (1.0, 2.0, 4.0)
    assert image.scale == (1.0, 0.5)
    assert set(image.units) == {"micrometer"}


def test_a_slide_is_the_slide_and_not_its_photographs(tmp_path: Path) -> None:
    rgb = pattern(1024, 1024, 3, dtype="uint8")
    write_slide(tmp_path / "s.svs", rgb)
    (image,) = open_tiff(tmp_path / "s.svs")
    assert image.scale[:2] == (0.499, 0.499)
    assert image.units[:2] == ("micrometer", "micrometer")
    source = image.plane()
    assert source.levels == (1.0, 4.0)
    np.testing.assert_array_equal(source.read(Window(0, 0, 99, 99)), rgb[:99, :99])


def test_an_imagej_hyperstack_keeps_calibration_and_display(tmp_path: Path) -> None:
    stack = pattern(3, 4, 2, 50, 60)
    red = np.zeros((3, 256), np.uint8)
    red[0] = np.arange(256)
    tifffile.imwrite(
        tmp_path / "h.tif",
        stack,
        imagej=True,
        resolution=(2, 4),
        metadata={
            "axes": "TZCYX",
            "unit": "um",
            "spacing": 1.5,
            "finterval": 2.0,
            "Ranges": (0, 50, 10, 90),
            "LUTs": [red, red[::-1].copy()],
        },
    )
    (image,) = open_tiff(tmp_path / "h.tif")
    assert image.axes == "tzcyx"
    assert image.scale == (2.0, 1.5, 1.0, 0.25, 0.5)
    assert image.units == ("second", "micrometer", "pixel", "micrometer", "micrometer")
    assert [c.limits for c in image.channels] == [(0, 50), (10, 90)]
    lut = image.channels[1].lut
    assert lut is not None
    assert lut[-1].tolist() == [0, 0, 1]
    source = image.plane({"t": 2, "z": 1})
    np.testing.assert_array_equal(
        source.read(Window(0, 0, 50, 60)), np.moveaxis(stack[2, 1], 0, -1)
    )


def test_a_stack_asks_for_its_plane(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "z.ome.tif", pattern(1, 5, 64, 64), (2,), axes="CZYX")
    (image,) = open_tiff(tmp_path / "z.ome.tif")
    assert image.stack == {"z": 5}
    for wrong in ({}, {"z": 5}, {"z": -1}, {"t": 0}):
        with pytest.raises(ImageError, match="z 0 to 4"):
            image.plane(wrong)


def test_one_window_of_a_large_tiled_file_loads_only_its_tiles(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    side, tile = 16_384, 256

    def tiles() -> Any:
        for i in range((side // tile) ** 2):
            yield np.full((tile, tile), i % 251, np.uint16)

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype="uint16", tile=(tile, tile), compression="zlib"
    )
    tracemalloc.start()
    try:
        source = open_tiff(path)[0].plane()
        pixels = source.read(Window(5000, 9000, 600, 600))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels[0, 0, 0] == (5000 // tile * (side // tile) + 9000 // tile) % 251
    assert peak < 30e6 < side * side * 2 / 10


def test_uncompressed_files_are_read_where_one_looks(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", shape=(4000, 4000), dtype="uint16")
    tracemalloc.start()
    try:
        open_tiff(tmp_path / "m.tif")[0].plane().read(Window(3000, 3000, 100, 100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3e6 < 4000 * 4000 * 2 / 10


def test_a_file_that_is_cut_off_while_it_is_open_says_so(tmp_path: Path) -> None:
    array = pattern(400, 400)
    tifffile.imwrite(tmp_path / "m.tif", array)
    source = open_tiff(tmp_path / "m.tif")[0].plane()
    os.truncate(tmp_path / "m.tif", 160_000)
    np.testing.assert_array_equal(source.read(Window(0, 0, 90, 90))[..., 0], array[:90, :90])
    with pytest.raises(ImageError, match="it ends before its pixels do"):
        source.read(Window(300, 0, 90, 90))


def test_the_file_is_closed_when_nobody_refers_to_it(tmp_path: Path) -> None:
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("open files are counted on Linux only")
    write_pyramid(tmp_path / "p.ome.tif", pattern(256, 256), (2,))

    def held() -> int:
        return sum(os.path.realpath(fd).endswith("p.ome.tif") for fd in fds.iterdir())

    source = open_tiff(tmp_path / "p.ome.tif")[0].plane()
    source.read(Window(0, 0, 9, 9))
    assert held() > 0
    del source
    gc.collect()
    assert held() == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiff")
    write_pyramid(folder / "ome", pattern(300, 300), (2,))
    write_slide(folder / "svs", pattern(512, 512, 3, dtype="uint8"))
    tifffile.imwrite(folder / "raw", pattern(200, 200))
    tifffile.imwrite(folder / "ij", pattern(3, 2, 99, 99), imagej=True, metadata={"axes": "ZCYX"})
    return folder


def _read_all(path: Path) -> list[NDArray[Any]]:
    found = []
    for image in open_tiff(path):
        source = image.plane(dict.fromkeys(image.stack, 0))
        for level in range(len(source.levels)):
            found.append(source.read(Window(0, 0, min(source.height, 999), 999, level)))
    return found


@pytest.mark.filterwarnings("ignore::napari_pisam.images.source.ImageWarning")
@pytest.mark.parametrize("kind", ["ome", "svs", "raw", "ij"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    damage=st.lists(st.tuples(st.integers(0, 600) | st.integers(0), st.integers(0, 255))),
    lost=st.just(0) | st.integers(0),
)
def test_a_damaged_file_reads_or_says_so(
    files: Path, tmp_path: Path, kind: str, damage: list[tuple[int, int]], lost: int
) -> None:
    content = bytearray((files / kind).read_bytes())
    for where, value in damage:
        content[where % len(content)] = value
    path = tmp_path / "damaged.tif"
    path.write_bytes(bytes(content[: len(content) - lost % len(content)]))
    message = ""
    try:
        _read_all(path)
    except ImageError as error:
        message = str(error)
    assert "\n" not in message
    assert message == "" or message.endswith(".")


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"<html>not found</html>", b"\x89PNG\r\n\x1a\n", os.urandom(500)]
)
def test_what_is_no_tiff_gets_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"^x\.tif .*\.$"):
        open_tiff(path)
    assert is_tiff(path) == content.startswith(b"II*")


def test_a_missing_file_and_a_folder_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_tiff(tmp_path / "none.tif")
    with pytest.raises(ImageError, match="does not open"):
        open_tiff(tmp_path)
    assert not is_tiff(tmp_path / "none.tif")


def test_a_tile_that_is_damaged_says_so_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tif"
    tifffile.imwrite(path, pattern(300, 300), tile=(128, 128), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.dataoffsets[4]
    content = bytearray(path.read_bytes())
    content[offset : offset + 300] = b"U" * 300
    path.write_bytes(content)
    source = open_tiff(path)[0].plane()
    assert source.read(Window(0, 0, 100, 100)).shape == (100, 100, 1)
    with pytest.raises(ImageError, match=r"A part of t\.tif cannot be read"):
        source.read(Window(130, 130, 9, 9))
