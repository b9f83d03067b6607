"""Labels reach the disk whole or not at all, and look the same to everyone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_pisam.images import labels as labels_module
from napari_pisam.images.files import open_images
from napari_pisam.images.labels import (
    PALETTE,
    SaveError,
    label_colors,
    overlay,
    read_image,
    read_labels,
    replacing,
    write_labels,
    write_png,
)
from napari_pisam.images.source import ImageError
from tests.images.stored_files import pattern


def disk(size: int = 60, value: int = 3) -> NDArray[np.int32]:
    y, x = np.mgrid[:size, :size] - size // 2
    return np.where(y**2 + x**2 < (size // 3) ** 2, value, 0).astype(np.int32)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    labels=hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements={"min_value": 0, "max_value": 2**32 - 1},
    )
)
def test_labels_come_back_as_they_were(tmp_path: Path, labels: NDArray[Any]) -> None:
    write_labels(tmp_path / "l.tif", labels)
    back = read_labels(tmp_path / "l.tif")
    np.testing.assert_array_equal(back, labels)
    assert back.dtype == (np.uint16 if labels.max() < 2**16 else np.uint32)


def test_the_file_is_tiled_compressed_and_known_as_labels(tmp_path: Path) -> None:
    write_labels(tmp_path / "l.tif", disk(900))
    with tifffile.TiffFile(tmp_path / "l.tif") as file:
        page = file.pages.first
        assert page.is_tiled
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert (tmp_path / "l.tif").stat().st_size < 900 * 900 / 10
    assert open_images(tmp_path / "l.tif")[0].labels


def test_a_stack_and_booleans_can_be_written(tmp_path: Path) -> None:
    stack = np.stack([disk(), disk() * 2])
    write_labels(tmp_path / "s.tif", stack)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "s.tif"), stack)
    write_labels(tmp_path / "b.tif", disk() > 0)
    np.testing.assert_array_equal(read_labels(tmp_path / "b.tif"), disk() > 0)


@pytest.mark.parametrize(
    "bad", [np.array([[-1]]), np.array([[2**32]]), np.array([[0.5]]), np.zeros((0, 3), int)]
)
def test_what_are_no_labels_is_refused_and_nothing_written(
    tmp_path: Path, bad: NDArray[Any]
) -> None:
    with pytest.raises(ValueError, match=r"[Ll]abel"):
        write_labels(tmp_path / "l.tif", bad)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l.tif"
    write_labels(path, disk())

    def full(file: Any, *args: Any, **kwargs: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(SaveError, match=r"^l\.tif was not saved, the disk is full: [^\n]*\.$") as e:
        write_labels(path, disk() * 5)
    assert "unchanged" in str(e.value)
    np.testing.assert_array_equal(read_labels(path), disk())
    assert [p.name for p in tmp_path.iterdir()] == ["l.tif"]


def test_a_real_full_device_says_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("Linux only")
    with pytest.raises(OSError, match="No space") as e, open("/dev/full", "wb", 0) as file:
        file.write(b"x")
    assert "disk is full" in labels_module._cannot_save(Path("l.tif"), e.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def interrupted() -> None:
        with replacing(tmp_path / "a") as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link_and_modes_are_usual(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
    except OSError:
        pytest.skip("no links here")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(os.stat(tmp_path / "real").st_mode) == stat.S_IMODE(os.stat(plain).st_mode)


@pytest.mark.parametrize(("name", "words"), [("no/such/l.tif", "does not exist"), (".", "folder")])
def test_a_place_that_cannot_be_written_gets_one_sentence(
    tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(SaveError, match=words):
        write_labels(tmp_path / name, disk())


def test_a_png_comes_back(tmp_path: Path) -> None:
    rgb = pattern(20, 30, 3, dtype="uint8")
    write_png(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


def test_read_image_gives_two_axes_for_one_channel(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "g.tif", pattern(20, 30))
    assert read_image(tmp_path / "g.tif").shape == (20, 30)
    tifffile.imwrite(tmp_path / "f.tif", pattern(20, 30, dtype="float32"))
    with pytest.raises(ImageError, match="no labels"):
        read_labels(tmp_path / "f.tif")


def test_the_ground_is_untouched_and_objects_are_marked() -> None:
    rgb, labels = np.full((60, 60, 3), 200, np.uint8), disk()
    picture = overlay(rgb, labels)
    color = label_colors(np.array(3))
    far = np.zeros((60, 60), bool)
    far[:5] = True
    assert (picture[far] == 200).all()
    assert (picture[30, 30] == np.rint(200 * 0.7 + color * 0.3)).all()
    first = np.flatnonzero(labels[30])[0]
    assert (picture[30, first] == color).all()
    assert (picture[30, first - 1] < 100).all()
    assert (rgb == 200).all()


def test_outlines_are_thin_and_the_picture_edge_is_none() -> None:
    rgb, labels = np.zeros((100, 100, 3), np.uint8), np.ones((100, 100), np.uint16)
    fill = np.rint(PALETTE[0] * 0.3)
    assert (overlay(rgb, labels) == fill).all()
    labels[:, 50:] = 2
    edge = (overlay(rgb, labels) == PALETTE[0]).all(-1)
    assert np.flatnonzero(edge.any(0)).tolist() == [49]


def test_the_first_seven_colours_differ_and_columns_do_not_match() -> None:
    colors = [tuple(c) for c in label_colors(np.arange(1, 57)).tolist()]
    assert len(set(colors[:7])) == 7
    assert len({colors[i] for i in range(0, 56, 7)}) == 7


@pytest.mark.parametrize("at", [10, 1023, 1024, 1500])
def test_bands_leave_no_seam(at: int) -> None:
    labels = np.zeros((2100, 30), np.uint8)
    labels[at : at + 20, 5:25] = 1
    width = round(2100 / labels_module.OUTLINE_SHARE)
    edge, rim = labels_module._outlines(labels, width)
    picture = overlay(np.full((2100, 30, 3), 99, np.uint8), labels)
    np.testing.assert_array_equal((picture == PALETTE[0]).all(-1), edge)
    np.testing.assert_array_equal((picture == 33).all(-1), rim)


def test_an_overlay_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        overlay(np.zeros((5, 5, 3), np.uint8), np.zeros((6, 5), np.uint8))
