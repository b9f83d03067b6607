"""`pisam segment` on images that are odd or none: a right answer, or one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.images.read import read_image, read_labels
from tests.cli.toy import one_sentence, run
from tests.images.image_files import pattern
from tests.images.test_tiff_planes import write_cut_ome

Capture = pytest.CaptureFixture[str]


def _save(folder: Path, array: NDArray[Any]) -> list[Path]:
    """The array as TIFF, Zarr and NPY."""
    tifffile.imwrite(folder / "a.tif", array)
    zarr.create_array(folder / "a.zarr", data=array)
    np.save(folder / "a.npy", array)
    return [folder / "a.tif", folder / "a.zarr", folder / "a.npy"]


@pytest.mark.parametrize(
    "array",
    [
        np.full((1, 1), 7, np.uint16),
        np.full((1, 300), 7, np.uint8),
        np.full((30, 40), 7, np.uint16),
        np.full((30, 40), np.nan, np.float32),
        np.where(np.indices((30, 40)).sum(0) % 5 == 0, np.inf, -1e30),
        np.indices((30, 40)).sum(0) > 30,
        np.indices((30, 40)).sum(0) * 2**50,
        -np.indices((30, 40)).sum(0).astype(np.int8),
        np.ones((30, 40), np.float16),
        np.full((30, 40), 2**63, np.uint64),
    ],
    ids=["1 pixel", "1 row", "constant", "nan", "inf", "bool", "int64", "int8", "half", "uint64"],
)
def test_every_image_of_numbers_gives_labels(
    capsys: Capture, toy_model: Path, tmp_path: Path, array: NDArray[Any]
) -> None:
    found = []
    for image in _save(tmp_path, array):
        output, overlay = tmp_path / "l.tif", tmp_path / "l.png"
        written = run(
            capsys, "segment", image, "-o", output, "--overlay", overlay, "--model", toy_model,
            "--point", "0,0", "--object-size", "10",
        )  # fmt: skip
        assert written.code == 0, written.err
        assert "Traceback" not in written.err
        found.append(read_labels(output))
        assert found[-1].shape == array.shape
        assert read_image(overlay).shape == (*array.shape, 3)
    assert all(np.array_equal(labels, found[0]) for labels in found)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.ones((30, 40), np.complex64), "not complex64"),
        (np.zeros((0, 40), np.uint8), "no pixels"),
        (np.zeros((30, 40, 0), np.uint8), "no pixels"),
        (np.zeros(30, np.uint8), "1 ax"),
        (np.zeros((2, 3, 4, 5, 6), np.uint8), "ax"),
        (np.array([["a", "b"]]), "not <U1"),
        (np.zeros((30, 40), [("a", "u1"), ("b", "u2")]), "Pixels are"),
        (np.zeros((30, 40), "datetime64[s]"), "not datetime64"),
    ],
)
def test_an_array_that_is_no_image_gets_one_sentence(
    capsys: Capture, tmp_path: Path, array: NDArray[Any], sentence: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    written = run(capsys, "segment", tmp_path / "a.npy", "-o", tmp_path / "l.tif", "--point", "0,0")
    assert written.code in (1, 2)
    assert sentence in one_sentence(written)
    assert not (tmp_path / "l.tif").exists()


def _files(folder: Path) -> dict[str, Path]:
    """What may lie about with the name of an image."""
    whole = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
    tifffile.imwrite(folder / "whole.tif", whole, tile=(128, 128), compression="zlib")
    content = (folder / "whole.tif").read_bytes()
    (folder / "half.tif").write_bytes(content[: len(content) // 2])
    with tifffile.TiffFile(folder / "whole.tif") as file:
        offset = file.pages.first.dataoffsets[4]
    bad = content[:offset] + b"U" * 300 + content[offset + 300 :]
    (folder / "tile.tif").write_bytes(bad)
    (folder / "text.tif").write_text("not an image")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(whole).save(folder / "p.png")
    cut = (folder / "p.png").read_bytes()
    (folder / "half.png").write_bytes(cut[: len(cut) // 2])
    (folder / "folder.tif").mkdir()
    (folder / "empty.zarr").mkdir()
    zarr.create_group(folder / "group.zarr")
    return {path.name: path for path in folder.iterdir() if path.name not in ("whole.tif", "p.png")}


def test_files_that_are_damaged_or_no_images_get_one_sentence(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "l.tif"
    output.parent.mkdir()
    folder = tmp_path / "in"
    folder.mkdir()
    for name, path in _files(folder).items():
        written = run(
            capsys, "segment", path, "-o", output, "--model", toy_model, "--point", "150,150"
        )
        assert written.code == 1, name
        assert one_sentence(written).endswith("."), name
        assert not output.exists()


def test_an_output_that_is_a_folder_is_refused_before_the_work(
    capsys: Capture, image: Path, tmp_path: Path
) -> None:
    for option, name in (("-o", "l.tif"), ("--overlay", "l.png")):
        (tmp_path / name).mkdir()
        where = ("-o", tmp_path / "other.tif") if option == "--overlay" else ()
        written = run(capsys, "segment", image, *where, option, tmp_path / name, "--point", "4,4")
        assert written.code == 2
        assert "is a folder" in one_sentence(written)


def test_the_overlay_of_a_large_image_is_reduced(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    file = tifffile.memmap(tmp_path / "large.tif", shape=(9000, 12_000), dtype="uint8")
    file[4000:4400, 6000:6400] = 200
    file.flush()
    written = run(
        capsys, "segment", tmp_path / "large.tif", "-o", tmp_path / "l.tif", "--model", toy_model,
        "--overlay", tmp_path / "l.png", "--box", "4000,6000,4400,6400",
    )  # fmt: skip
    assert written.code == 0
    assert "l.png shows it 2 times smaller" in one_sentence(written)
    assert read_image(tmp_path / "l.png").shape == (4500, 6000, 3)
    labels = read_image(tmp_path / "l.tif")
    assert labels.shape == (9000, 12_000)
    assert labels.any()


def test_a_plane_that_is_not_in_the_file_is_refused(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    image, output = tmp_path / "cut.ome.tif", tmp_path / "o.tif"
    write_cut_ome(image, 3)
    what = ("segment", image, "--point", "20,20", "-o", output, "--model", toy_model)
    said = run(capsys, *what, "--plane", "z=4")
    assert said.code == 1
    assert "has z 0 to 2, no 4." in said.err
    assert said.err.count("2 of 5 planes of cut.ome.tif are not in the file") == 1
    assert not output.exists()
    said = run(capsys, *what, "--plane", "z=2")
    assert said.code == 0
    assert said.err.count("2 of 5 planes of cut.ome.tif are not in the file") == 1


def test_nothing_to_see_is_told_and_makes_no_mask(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "c.npy", np.full((90, 90), 7, np.uint16))
    said = run(
        capsys, "segment", tmp_path / "c.npy", "-o", tmp_path / "o.tif", "--model", toy_model,
        "--point", "40,40",
    )  # fmt: skip
    assert said.code == 0
    assert "there is nothing to see there" in one_sentence(said)
    assert not read_labels(tmp_path / "o.tif").any()


def test_pages_of_several_kinds_are_told(capsys: Capture, toy_model: Path, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as file:
        for page in (pattern(90, 80, dtype="uint8"), pattern(50, 60).astype(np.float32)):
            file.write(page, metadata=None)
    said = run(
        capsys, "segment", tmp_path / "m.tif", "-o", tmp_path / "o.tif", "--model", toy_model,
        "--point", "40,40",
    )  # fmt: skip
    assert "m.tif holds 2 images; this is the first, m (90 x 80, uint8)." in said.err
