"""A labels file holds the labels that it was given, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_pisam.export.atomic import SaveError
from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.images.files import open_images
from napari_pisam.images.label_arrays import SparseLabels
from napari_pisam.images.read import read_labels
from tests.export.discs import disk


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


@pytest.mark.parametrize(("name", "words"), [("no/such/l.tif", "does not exist"), (".", "folder")])
def test_a_place_that_cannot_be_written_gets_one_sentence(
    tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(SaveError, match=words):
        write_labels(tmp_path / name, disk())


@pytest.mark.parametrize(("value", "dtype"), [(300, "uint16"), (70_000, "uint32")])
@pytest.mark.parametrize("shape", [(300, 1000), (2, 300, 520), (256, 256), (1, 1)])
def test_a_file_of_them_is_as_of_an_array(
    tmp_path: Path, shape: tuple[int, ...], value: int, dtype: str
) -> None:
    sparse = SparseLabels(shape)
    sparse[(*(0,) * (len(shape) - 2), slice(250), slice(0, 511))] = value
    write_labels(tmp_path / "l.tif", sparse)
    (image,) = open_images(tmp_path / "l.tif")
    assert image.labels
    found = np.asarray(image.levels[0])
    np.testing.assert_array_equal(found, np.asarray(sparse).reshape(found.shape))
    assert found.dtype == dtype


def test_a_large_file_of_them_has_levels_and_room(tmp_path: Path) -> None:
    sparse = SparseLabels((40_000, 60_000))
    sparse[20_000:22_000, 59_000:60_000] = 3
    write_labels(tmp_path / "l.tif", sparse)
    with tifffile.TiffFile(tmp_path / "l.tif") as file:
        assert file.is_bigtiff
        assert len(file.series[0].levels) == 6
        assert file.filehandle.size < 20e6
    (image,) = open_images(tmp_path / "l.tif")
    coarse = np.asarray(image.levels[-1])
    assert coarse.shape == (1250, 1875)
    assert coarse[640, 1860] == 3
    assert (coarse > 0).sum() == pytest.approx(2000 * 1000 / 32**2, rel=0.1)
