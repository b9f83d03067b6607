"""Files of every common kind open by their content, or with one sentence."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_pisam.geometry import Window
from napari_pisam.images.alpha import over_black
from napari_pisam.images.files import open_images, open_source
from napari_pisam.images.source import ImageError
from tests.images.image_files import pattern

WHOLE = Window(0, 0, 999, 999)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3), (30, 40, 4)])
def test_a_png_keeps_its_depth(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    array = pattern(*shape, dtype=dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    source = open_source(tmp_path / "a.png")
    stack = array if array.ndim == 3 else array[..., None]
    shown = over_black(stack) if stack.shape[-1] == 4 else stack
    np.testing.assert_array_equal(source.read(WHOLE), shown)
    assert source.rgb == (array.ndim == 3)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("LA", 1), ("I;16", 1), ("F", 1), ("P", 3), ("RGBA", 3), ("YCbCr", 3), ("CMYK", 3)],
)
def test_every_mode_of_pillow_becomes_gray_or_channels(
    tmp_path: Path, mode: str, channels: int
) -> None:
    colours = Image.fromarray(pattern(30, 40, 3, dtype="uint8"))
    made = colours.convert("L").convert(mode) if mode == "I;16" else colours.convert(mode)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F", "YCbCr") else "a.png")
    made.save(path)
    source = open_source(path)
    assert source.channels == channels
    assert source.rgb == (channels == 3)


def test_jpeg_and_npy_and_zarr_and_tiff_open(tmp_path: Path) -> None:
    rgb = pattern(30, 40, 3, dtype="uint8")
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    np.save(tmp_path / "a.npy", rgb)
    tifffile.imwrite(tmp_path / "a.tif", rgb)
    tifffile.imwrite(tmp_path / "named.png", rgb)
    zarr.create_array(tmp_path / "a.zarr", data=rgb)
    for name in ("a.jpg", "a.npy", "a.tif", "named.png", "a.zarr"):
        (image,) = open_images(tmp_path / name)
        source = image.plane()
        assert (source.height, source.width, source.channels, source.rgb) == (30, 40, 3, True)
        if name != "a.jpg":
            np.testing.assert_array_equal(source.read(WHOLE), rgb)


def test_a_stack_opens_at_its_plane(tmp_path: Path) -> None:
    stack = pattern(4, 30, 40)
    tifffile.imwrite(tmp_path / "z.tif", stack, metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(
        open_source(tmp_path / "z.tif", plane={"z": 2}).read(WHOLE)[..., 0], stack[2]
    )
    with pytest.raises(ImageError, match="choose one plane"):
        open_source(tmp_path / "z.tif")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b""),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
        ("a.jpg", b"<!DOCTYPE html>"),
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.npy", b"text"),
        ("notes.txt", b"hello"),
    ],
)
def test_what_is_no_image_gets_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=rf"^{name} does not open[^\n]*\.$"):
        open_source(tmp_path / name)


def test_a_cut_off_png_gets_one_sentence(tmp_path: Path) -> None:
    whole = imagecodecs.png_encode(pattern(300, 300, dtype="uint8"))
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="cut off"):
        open_source(tmp_path / "cut.png")


def test_a_missing_file_and_a_plain_folder_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_source(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a folder"):
        open_source(tmp_path)


def test_pickled_content_is_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError):
        open_source(tmp_path / "p.npy")
