"""Files become lazy layers with everything the file says about them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

import napari_pisam
from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.geometry import Window
from napari_pisam.images import overviews
from napari_pisam.images.source import ImageError, as_source
from napari_pisam.widgets.files import reader
from napari_pisam.widgets.files.reader import get_tiff_reader, get_zarr_reader, read_file
from napari_pisam.widgets.viewer.image_plane import source_of
from tests.images.image_files import pattern, write_ngff, write_pyramid, write_slide

MANIFEST = Path(napari_pisam.__file__).parent / "napari.yaml"


def layers(path: Path) -> list[Layer]:
    return [Layer.create(*data) for data in read_file(str(path))]


def units(layer: Layer) -> list[str]:
    return [str(unit) for unit in layer.units]


def _cells(path: Path, full: Any, factors: tuple[int, ...] = (2, 4)) -> None:
    write_pyramid(
        path,
        full,
        factors,
        axes="CYX",
        PhysicalSizeX=0.25,
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=0.5,
        PhysicalSizeYUnit="µm",
        Channel={"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]},
    )


def test_a_pyramid_is_one_lazy_layer_per_channel(tmp_path: Path) -> None:
    full = pattern(2, 600, 800)
    _cells(tmp_path / "cells.ome.tif", full)
    dapi, gfp = layers(tmp_path / "cells.ome.tif")
    assert (dapi.name, gfp.name) == ("cells DAPI", "cells GFP")
    assert gfp.colormap.colors[-1].tolist() == [0, 1, 0, 1]
    assert gfp.blending == "additive"
    assert gfp.scale.tolist() == [0.5, 0.25]
    assert units(gfp) == ["micrometer", "micrometer"]
    assert gfp.multiscale
    assert [level.shape for level in gfp.data] == [(600, 800), (300, 400), (150, 200)]
    np.testing.assert_array_equal(np.asarray(gfp.data[1]), full[1, ::2, ::2])
    np.testing.assert_array_equal(gfp.data[0][10:20, -5:], full[1, 10:20, -5:])
    expected = np.percentile(full[1], (0.1, 99.9))
    np.testing.assert_allclose(gfp.contrast_limits, expected)


def test_a_slide_is_rgb(tmp_path: Path) -> None:
    rgb = pattern(1024, 1024, 3, dtype="uint8")
    write_slide(tmp_path / "s.svs", rgb)
    (slide,) = layers(tmp_path / "s.svs")
    assert isinstance(slide, Image)
    assert slide.rgb
    assert slide.ndim == 2
    assert slide.scale.tolist() == [0.499, 0.499]
    np.testing.assert_array_equal(slide.data[1][:9, :9], rgb[:36:4, :36:4])


def test_an_imagej_stack_keeps_contrast_tables_and_steps(tmp_path: Path) -> None:
    table = np.zeros((3, 256), np.uint8)
    table[2] = np.arange(256)
    stack = pattern(4, 2, 50, 60)
    tifffile.imwrite(
        tmp_path / "h.tif",
        stack,
        imagej=True,
        resolution=(2, 2),
        metadata={
            "axes": "ZCYX",
            "unit": "um",
            "spacing": 1.5,
            "Ranges": (0, 50, 10, 90),
            "LUTs": [table, table],
        },
    )
    first, second = layers(tmp_path / "h.tif")
    assert (first.contrast_limits, second.contrast_limits) == ([0, 50], [10, 90])
    assert second.colormap.colors[-1].tolist() == [0, 0, 1, 1]
    assert second.scale.tolist() == [1.5, 0.5, 0.5]
    np.testing.assert_array_equal(second.data, stack[:, 1])
    assert isinstance(second.data, np.ndarray)


def test_a_plain_picture_has_no_invented_calibration(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pattern(50, 60), resolution=(72, 72))
    (layer,) = layers(tmp_path / "a.tif")
    assert layer.scale.tolist() == [1, 1]
    assert units(layer) == ["pixel", "pixel"]
    assert layer.colormap.name == "gray"


def test_labels_of_ours_come_back_as_labels(tmp_path: Path) -> None:
    labels = pattern(60, 70) % 5
    write_labels(tmp_path / "l.tif", labels)
    (layer,) = layers(tmp_path / "l.tif")
    assert isinstance(layer, Labels)
    assert layer.editable
    layer.data_setitem((np.array([3]), np.array([4])), 9)
    assert layer.data[3, 4] == 9


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_has_its_channels_and_its_labels(tmp_path: Path, version: str) -> None:
    full, labels = pattern(2, 5, 100, 140), pattern(5, 100, 140) % 9
    write_ngff(
        tmp_path / "c.ome.zarr",
        full,
        version=version,
        axes="czyx",
        scale=(1, 2.0, 0.5, 0.25),
        units={"z": "micrometer", "y": "micrometer", "x": "parsnip"},
        translate=(0, 7.0, 3.0, 0),
        omero={
            "channels": [
                {"label": "DNA", "color": "FFFFFF", "window": {"start": 10, "end": 900}},
                {"label": "actin", "color": "FF0000", "active": False},
            ]
        },
        labels=labels,
    )
    dna, actin, cells = layers(tmp_path / "c.ome.zarr")
    assert (dna.name, actin.name, cells.name) == ("c DNA", "c actin", "cells")
    assert dna.contrast_limits == [10, 900]
    assert dna.colormap.name == "gray"
    assert (dna.visible, actin.visible) == (True, False)
    assert actin.scale.tolist() == [2, 0.5, 0.25]
    assert actin.translate.tolist() == [7, 3, 0]
    assert units(actin) == ["micrometer", "micrometer", "pixel"]
    np.testing.assert_array_equal(actin.data[0][3, 5:9], full[1, 3, 5:9])
    assert isinstance(cells, Labels)
    assert cells.scale.tolist() == [2, 0.5, 0.25]
    np.testing.assert_array_equal(cells.data, labels)


def test_large_labels_stay_lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "EDITABLE_PIXELS", 100)
    write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version="0.5",
        axes="yx",
        scale=(1, 1),
        labels=pattern(40, 40),
    )
    assert layers(tmp_path / "a.zarr")[1].multiscale


@pytest.mark.parametrize("planes", [(), (3,), (2, 3)])
def test_the_viewer_shows_the_plane_and_its_pixels(tmp_path: Path, planes: tuple[int, ...]) -> None:
    axes = "TZ"[2 - len(planes) :] + "CYX"
    full = pattern(*planes, 2, 300, 400)
    write_pyramid(tmp_path / "a.ome.tif", full, (2,), axes=axes)
    viewer = ViewerModel()
    for layer in layers(tmp_path / "a.ome.tif"):
        viewer.add_layer(layer)
    viewer.dims.set_point(range(len(planes)), [1] * len(planes))
    plane = full[(1,) * len(planes)]
    for channel, shown in enumerate(viewer.layers):
        at = (*(1,) * len(planes), 20, 30)
        assert shown.get_value(at)[1] in (plane[channel, 20, 30], plane[channel, 10 * 2, 15 * 2])
        whole = np.asarray(shown._slice.image.raw)
        k = 300 // whole.shape[0]
        np.testing.assert_array_equal(whole, plane[channel, ::k, ::k])


def test_opening_a_large_pyramid_loads_little_of_it(tmp_path: Path) -> None:
    side, tile = 8192, 256

    def tiles(factor: int) -> Any:
        for i in range((side // factor // tile) ** 2):
            yield np.full((tile, tile), i % 251, np.uint16)

    with tifffile.TiffWriter(tmp_path / "big.tif") as file:
        for k in (1, 2, 4, 8, 16):
            file.write(
                tiles(k),
                shape=(side // k, side // k),
                dtype="uint16",
                tile=(tile, tile),
                compression="zlib",
                subifds=4 if k == 1 else None,
                subfiletype=0 if k == 1 else 1,
            )
    read_file(str(tmp_path / "big.tif"))
    tracemalloc.start()
    try:
        (layer,) = layers(tmp_path / "big.tif")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(layer.data) == 5
    assert peak < 60e6 < side * side * 2 / 2


def test_a_reader_declines_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no")
    (tmp_path / "a.zarr").mkdir()
    for get in (get_tiff_reader, get_zarr_reader):
        for path in (tmp_path / "a.tif", tmp_path / "a.zarr", tmp_path / "none.tif"):
            assert get(str(path)) is None
        assert get([str(tmp_path / "a.tif")]) is None


def test_a_damaged_file_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 40)
    read = get_tiff_reader(str(tmp_path / "a.tif"))
    assert read is not None
    with pytest.raises(ImageError, match=r"^a\.tif does not open as TIFF[^\n]*\.$"):
        read(str(tmp_path / "a.tif"))


def test_napari_finds_the_readers_by_the_name_of_the_file(tmp_path: Path, npe2pm: Any) -> None:
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    from npe2 import io_utils

    _cells(tmp_path / "c.ome.tif", pattern(2, 200, 200), (2,))
    found = io_utils.read([str(tmp_path / "c.ome.tif")], stack=False)
    assert [layer[-1] for layer in found] == ["image", "image"]
    zarr.create_array(tmp_path / "p.zarr", data=pattern(30, 30))
    assert len(io_utils.read([str(tmp_path / "p.zarr")], stack=False)) == 1


def test_everything_that_the_manifest_names_can_be_imported() -> None:
    PluginManifest.from_file(MANIFEST).validate_imports()


def test_colours_and_properties_of_labels_are_shown(tmp_path: Path) -> None:
    group = write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version="0.5",
        axes="yx",
        scale=(1, 1),
        labels=pattern(40, 40) % 9,
    )
    inside: Any = group["labels/cells"]
    about = {
        "colors": [{"label-value": 4, "rgba": [255, 0, 0, 255]}],
        "properties": [{"label-value": 4, "kind": "nucleus"}, {"label-value": 8, "area": 3}],
    }
    inside.attrs["ome"] = {**inside.attrs["ome"], "image-label": about}
    labels = layers(tmp_path / "a.zarr")[1]
    assert labels.get_color(4).tolist() == [1, 0, 0, 1]
    assert labels.get_color(5)[3] == 1
    assert labels.features["index"].tolist() == [4, 8]
    assert labels.features["kind"][0] == "nucleus"


def _damaged(path: Path, side: int, **how: Any) -> Any:
    """A tiled file of two levels whose finest has a damaged tile at row 2, column 3."""
    full = pattern(side, side) + 100
    write_pyramid(path, full, (2,), **how)
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.dataoffsets[2 * -(-side // 128) + 3]
    content = bytearray(path.read_bytes())
    content[offset : offset + 300] = b"U" * 300
    path.write_bytes(content)
    return full


def test_a_damaged_part_is_black_and_told_once_but_never_segmented(tmp_path: Path) -> None:
    full = _damaged(tmp_path / "d.ome.tif", 1000)
    with notification_manager:
        count = len(notification_manager.records)
        (layer,) = layers(tmp_path / "d.ome.tif")
        shown = layer.data[0][100:600, 200:700]
        layer.data[0][300, 400]
        warned = notification_manager.records[count:]
    assert len(warned) == 1
    assert warned[0].message.startswith("A part of d.ome.tif cannot be read")
    assert warned[0].message.endswith("It is shown black.")
    black = np.zeros((1000, 1000), bool)
    black[256:384, 384:512] = True
    np.testing.assert_array_equal(shown, np.where(black, 0, full)[100:600, 200:700])
    assert layer.contrast_limits[1] == pytest.approx(np.percentile(full, 99.9), abs=5)
    for y, x in ((183, 307), (250, 380), (3, 411)):
        part = (slice(y, y + 270), slice(x, x + 190))
        np.testing.assert_array_equal(layer.data[0][part], np.where(black, 0, full)[part])
    source = source_of(layer, (None, None))
    assert source.read(Window(0, 0, 200, 200)).shape == (200, 200, 1)
    with pytest.raises(ImageError, match="cannot be read"):
        source.read(Window(200, 300, 200, 200))
    with pytest.raises(ImageError, match="cannot be read"):
        as_source(layer.data).read(Window(200, 300, 200, 200))


def test_a_damaged_small_file_opens_and_its_damage_is_never_segmented(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", pattern(300, 300), tile=(128, 128), compression="zlib")
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        offset = file.pages.first.dataoffsets[4]
    content = bytearray((tmp_path / "s.tif").read_bytes())
    content[offset : offset + 300] = b"U" * 300
    (tmp_path / "s.tif").write_bytes(content)
    with notification_manager:
        (layer,) = layers(tmp_path / "s.tif")
    assert np.asarray(layer.data)[128:256, 128:256].max() == 0
    assert np.asarray(layer.data)[:128].min() >= 0
    with pytest.raises(ImageError, match="cannot be read"):
        source_of(layer, (None, None)).read(Window(100, 100, 100, 100))


@pytest.mark.parametrize("channels", [(), (2,)])
def test_a_large_image_without_a_pyramid_gets_an_overview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: tuple[int, ...]
) -> None:
    monkeypatch.setattr(overviews, "LARGE_PIXELS", 500 * 500)
    monkeypatch.setattr(overviews, "OVERVIEW_SIDE", 200)
    monkeypatch.setattr(reader, "LOADED_BYTES", 100)
    full = pattern(*channels, 600, 900)
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        full,
        tile=(64, 64),
        compression="zlib",
        metadata={"axes": "CYX" if channels else "YX"},
    )
    made = layers(tmp_path / "a.ome.tif")
    assert len(made) == (channels or (1,))[0]
    for layer, plane in zip(made, full if channels else [full], strict=True):
        assert [level.shape for level in layer.data] == [
            (600, 900), (300, 450), (150, 225), (75, 112),
        ]  # fmt: skip
        blocks = plane[:, :896].reshape(150, 4, 224, 4).mean((1, 3))
        np.testing.assert_array_equal(np.asarray(layer.data[2])[:, :224], np.rint(blocks))
        assert source_of(layer, (None, None)).levels == (1.0, 2.0, 4.0, 8.0)
    viewer = ViewerModel()
    viewer.add_layer(made[0])
    assert viewer.layers[0].multiscale


def test_an_overview_of_a_damaged_file_is_made_of_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overviews, "LARGE_PIXELS", 300 * 300)
    monkeypatch.setattr(overviews, "OVERVIEW_SIDE", 200)
    _damaged(tmp_path / "d.ome.tif", 1000)
    with notification_manager:
        (layer,) = layers(tmp_path / "d.ome.tif")
    assert np.asarray(layer.data[-1]).shape == (125, 125)
    assert np.asarray(layer.data[-1]).min() > 0
