"""A layer shows what the model is given, however a file stores its pixels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.geometry import Window
from napari_pisam.images.files import open_images, open_source
from napari_pisam.images.intensity import IntensityWindow, to_rgb8
from napari_pisam.images.photometric import TURNS
from napari_pisam.images.read import read_labels
from napari_pisam.images.source import ImageError
from napari_pisam.widgets.files.reader import get_picture_reader, read_file
from napari_pisam.widgets.viewer.image_plane import source_of
from tests.images.image_files import pattern

ROWS, COLUMNS = 37, 50
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"tile": (16, 32)},
    {"rowsperstrip": 5, "compression": "zlib"},
    {"tile": (32, 16), "compression": "lzw"},
]


def drawn(layer: Layer) -> NDArray[np.float64]:
    """The colours of a layer as napari draws them, 0 to 255."""
    assert isinstance(layer, ImageLayer)
    data = np.asarray(layer.data)
    low, high = layer.contrast_limits
    if layer.rgb:
        return np.asarray(np.clip((data[..., :3].astype(float) - low) / (high - low), 0, 1) * 255)
    unit = np.clip((data.astype(float) - low) / (high - low), 0, 1)
    return np.asarray(layer.colormap.map(unit.ravel())[:, :3].reshape(*unit.shape, 3) * 255)


def given_to_the_model(source: Any, layer: Layer) -> NDArray[np.uint8]:
    """The model's input at the contrast of the layer."""
    assert isinstance(layer, ImageLayer)
    low, high = layer.contrast_limits
    count = source.channels
    whole = source.read(Window(0, 0, source.height, source.width))
    return to_rgb8(whole, IntensityWindow((low,) * count, (high,) * count))


def check_seen_is_given(path: Path) -> NDArray[np.float64]:
    (layer,) = (Layer.create(*data) for data in read_file(str(path)))
    shown = drawn(layer)
    for source in (open_source(path), source_of(layer, (None, None))):
        np.testing.assert_allclose(given_to_the_model(source, layer), shown, atol=1.01)
    return shown


def write_stored(path: Path, kind: str, bits: int, orientation: int, layout: int) -> None:
    rng = np.random.default_rng(bits)
    how: dict[str, Any] = {"metadata": None, **LAYOUTS[layout]}
    if bits not in (8, 16):
        how.pop("compression", None)
        how["bitspersample"] = bits
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    samples = {"rgb": 3, "ycbcr": 3, "separated": 4, "rgba": 4}.get(kind)
    shape = (ROWS, COLUMNS) if samples is None else (ROWS, COLUMNS, samples)
    pixels = rng.integers(0, 2**bits, shape).astype(dtype)
    if bits == 1:
        pixels = pixels.astype(bool)
    if kind == "palette":
        how["colormap"] = rng.integers(0, 65536, (3, 2**bits), np.uint16)
    if kind == "rgba":
        kind, how["extrasamples"] = "rgb", ["unassalpha"]
    tags = [(274, "H", 1, orientation, False)]
    tifffile.imwrite(path, pixels, photometric=kind, extratags=tags, **how)


KINDS = st.one_of(
    st.tuples(st.sampled_from(["minisblack", "miniswhite"]), st.sampled_from([1, 2, 4, 8, 16])),
    st.tuples(st.sampled_from(["minisblack", "miniswhite", "rgb"]), st.sampled_from([10, 12, 14])),
    st.tuples(st.just("palette"), st.just(8)),
    st.tuples(st.sampled_from(["rgb", "rgba", "separated"]), st.sampled_from([8, 16])),
    st.tuples(st.just("ycbcr"), st.just(8)),
)


@settings(max_examples=60, deadline=None)
@given(kind=KINDS, orientation=st.integers(1, 8), layout=st.integers(0, len(LAYOUTS) - 1))
def test_the_model_is_given_what_the_layer_shows(
    kind: tuple[str, int], orientation: int, layout: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        write_stored(path, *kind, orientation, layout)
        shown = check_seen_is_given(path)
        turned = orientation in TURNS and TURNS[orientation][0]
        assert shown.shape[:2] == ((COLUMNS, ROWS) if turned else (ROWS, COLUMNS))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "YCbCr", "P", "L", "1"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_colours_are_those_that_pillow_shows(
    tmp_path: Path, mode: str, compression: str | None
) -> None:
    image = Image.fromarray(pattern(ROWS, COLUMNS, 3, dtype="uint8")).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    with Image.open(tmp_path / "a.tif") as opened:
        expected = np.asarray(opened.convert("RGB"), float)
    source = open_source(tmp_path / "a.tif")
    pixels = source.read(Window(0, 0, ROWS, COLUMNS)).astype(float)
    if mode == "1":
        pixels *= 255
    np.testing.assert_allclose(np.broadcast_to(pixels, expected.shape), expected, atol=1.01)


def test_a_shuffled_palette_is_seen_as_its_colours_and_read_as_its_numbers(tmp_path: Path) -> None:
    numbers = pattern(ROWS, COLUMNS, dtype="uint8")
    table = np.random.default_rng(3).permutation(256).astype(np.uint16)
    colours = np.stack([table * 257, table[::-1] * 257, table * 257])
    tifffile.imwrite(tmp_path / "p.tif", numbers, photometric="palette", colormap=colours)
    picture = Image.fromarray(numbers, mode="P")
    picture.putpalette((colours.T // 257).astype(np.uint8).tobytes())
    picture.save(tmp_path / "p.png")
    whole = Window(0, 0, ROWS, COLUMNS)
    seen = [open_source(tmp_path / name).read(whole) for name in ("p.tif", "p.png")]
    np.testing.assert_array_equal(seen[0], (colours // 257).T[numbers])
    np.testing.assert_array_equal(seen[0], seen[1])
    for name in ("p.tif", "p.png"):
        np.testing.assert_array_equal(read_labels(tmp_path / name), numbers)


def test_labels_of_ours_stay_numbers(tmp_path: Path) -> None:
    numbers = pattern(60, 70) % 5
    write_labels(tmp_path / "l.tif", numbers)
    (image,) = open_images(tmp_path / "l.tif")
    assert image.labels
    np.testing.assert_array_equal(np.asarray(image.levels[0]), numbers)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_every_orientation_is_the_right_way_up(tmp_path: Path, name: str, orientation: int) -> None:
    gray = np.zeros((40, 64), np.uint8)
    gray[:8, :16], gray[32:, :8] = 255, 128
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / name
    if name == "a.tif":
        tags = [(274, "H", 1, orientation, False)]
        tifffile.imwrite(path, gray, extratags=tags, resolution=(20000, 10000), resolutionunit=3)
    else:
        Image.fromarray(gray).save(path, exif=exif)
    picture = Image.fromarray(gray)
    picture.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture), int)
    (image,) = open_images(path)
    found = np.asarray(image.levels[0], int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 40
    part = np.asarray(image.levels[0][5:30:3, 20:7:-2], int)
    np.testing.assert_array_equal(part, found[5:30:3, 20:7:-2])
    if name == "a.tif":
        assert image.scale == ((0.5, 1.0) if orientation >= 5 else (1.0, 0.5))
    else:
        assert (get_picture_reader(str(path)) is None) == (orientation == 1)


def test_colours_at_a_lower_resolution_are_refused_in_a_sentence(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "y.tif", pattern(32, 32, 3, dtype="uint8"), photometric="ycbcr")
    with tifffile.TiffFile(tmp_path / "y.tif", mode="r+") as file:
        file.pages.first.tags["YCbCrSubSampling"].overwrite((2, 2))
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        assert file.pages.first.is_subsampled
    with pytest.raises(ImageError, match=r"lower resolution .*: save it as RGB\.$"):
        open_source(tmp_path / "y.tif")
