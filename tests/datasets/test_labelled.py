"""Labelled images: pairs of files, masks as label maps, what is held back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.datasets.labelled import (
    LabelledDataError,
    LabelledImage,
    SourceConfig,
    appearance_cluster,
    find_pairs,
    load_sources,
    present,
    read_label_map,
    split,
)

CELLS = SourceConfig("cells", "images", "masks")


def save(path: Path, values: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    mask = np.zeros((12, 16), np.uint8)
    mask[1:5, 1:6] = 200
    mask[7:11, 9:15] = 200
    return save(tmp_path / "mask.png", mask)


def test_a_binary_mask_is_split_and_a_whole_one_is_not(two_parts: Path) -> None:
    binary = read_label_map(two_parts, "binary", 4)
    assert [(o.y0, o.x0, o.y1, o.x1, o.area) for o in binary.objects] == [
        (1, 1, 5, 6, 20),
        (7, 9, 11, 15, 24),
    ]
    whole = read_label_map(two_parts, "whole", 4)
    assert [(o.id, o.area, o.span) for o in whole.objects] == [(1, 44, 14)]
    assert whole.mask(whole.objects[0]).sum() == 44


def test_numbers_of_an_instance_mask_are_its_objects(tmp_path: Path) -> None:
    labels = np.zeros((12, 12), np.uint16)
    labels[:6, :6], labels[:6, 6:], labels[10, 10] = 7, 300, 9
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    found = read_label_map(tmp_path / "labels.tif", "instance", 4)
    assert [(o.id, o.area) for o in found.objects] == [(7, 36), (300, 36)]
    assert found.labels.dtype == np.int32


def test_auto_tells_a_binary_mask_from_numbers(two_parts: Path, tmp_path: Path) -> None:
    assert len(read_label_map(two_parts, "auto", 4).objects) == 2
    numbered = np.repeat(np.arange(4, dtype=np.uint8), 4)[:, None].repeat(16, 1)
    assert len(read_label_map(save(tmp_path / "n.png", numbered), "auto", 4).objects) == 3


@pytest.mark.parametrize("value", [1, 2, 100, 127, 128, 200, 255, 65535])
@pytest.mark.parametrize("kind", ["binary", "whole", "auto"])
def test_whatever_stands_for_white_a_mask_of_two_values_is_its_object(
    tmp_path: Path, kind: str, value: int
) -> None:
    mask = np.zeros((12, 16), np.uint16)
    mask[1:5, 1:6] = value
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    (found,) = read_label_map(tmp_path / "mask.tif", kind, 4).objects
    assert (found.y0, found.x0, found.y1, found.x1, found.area) == (1, 1, 5, 6, 20)


def test_soft_edges_are_cut_in_their_middle_and_numbers_are_not(tmp_path: Path) -> None:
    soft = np.array([[0, 100, 160, 255, 160, 100, 0]] * 4, np.uint8)
    assert read_label_map(save(tmp_path / "soft.png", soft), "whole", 4).objects[0].area == 12
    numbers = np.array([[0, 1, 2, 3, 2, 1, 0]] * 4, np.uint8)
    assert read_label_map(save(tmp_path / "n.png", numbers), "whole", 4).objects[0].area == 20


def test_an_empty_mask_has_no_objects(tmp_path: Path) -> None:
    empty = save(tmp_path / "empty.png", np.zeros((8, 8)))
    assert all(not read_label_map(empty, k, 1).objects for k in ("instance", "binary", "whole"))


def test_one_picture_looks_the_same_in_8_16_and_32_bits(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    stored: dict[str, NDArray[Any]] = {
        "8": small,
        "16": small.astype(np.uint16) * 257,
        "32": small.astype(np.uint32) * 65537,
        "real": small.astype(np.float32) / 255,
    }
    seen = []
    for name, pixels in stored.items():
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack")
        seen.append(LabelledImage("s", path, (), "instance").rgb8)
    assert seen[0].shape == (40, 50, 3)
    assert all(np.array_equal(seen[0], other) for other in seen[1:])


def test_colours_keep_their_balance_in_16_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    colours = (rng.random((30, 30, 3)) * (255, 120, 40)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "8.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "16.tif", colours.astype(np.uint16) * 257, photometric="rgb")
    eight, sixteen = (
        LabelledImage("s", tmp_path / f"{n}.tif", (), "instance").rgb8 for n in ("8", "16")
    )
    assert np.array_equal(eight, sixteen)
    assert eight[..., 2].max() < 60


def test_pairs_have_equal_names_below_their_folders(tmp_path: Path) -> None:
    for name in ("a", "deep/b", "lonely"):
        save(tmp_path / "images" / f"{name}.jpg", np.zeros((8, 8)))
    for name in ("a", "deep/b", "other"):
        save(tmp_path / "masks" / f"{name}.png", np.zeros((8, 8)))
    save(tmp_path / "rims" / "a.png", np.zeros((8, 8)))
    source = SourceConfig("cells", "images", "masks", extra=("rims", "nuclei"))
    pairs = find_pairs(tmp_path, source)
    assert [p.image_path.stem for p in pairs] == ["a", "b"]
    assert [len(p.mask_paths) for p in pairs] == [2, 1]


def test_images_and_masks_may_share_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "both" / f"{number}.jpg", np.zeros((8, 8)))
        save(tmp_path / "both" / f"{number}.png", np.zeros((8, 8)))
    source = SourceConfig("s", "both", "both", kind="whole", image_ext=".jpg", mask_ext=".png")
    pairs = find_pairs(tmp_path, source)
    assert [p.image_path.suffix for p in pairs] == [".jpg"] * 3
    assert [p.mask_paths[0].suffix for p in pairs] == [".png"] * 3


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelledDataError, match=r"cells: the folder .*images does not exist"):
        find_pairs(tmp_path, CELLS)
    assert present(tmp_path, [CELLS]) == []
    save(tmp_path / "images" / "a.png", np.zeros((8, 8)))
    save(tmp_path / "masks" / "b.png", np.zeros((8, 8)))
    assert present(tmp_path, [CELLS]) == [CELLS]
    with pytest.raises(LabelledDataError, match=r"no image in .* has a mask"):
        find_pairs(tmp_path, CELLS)


def test_scenes_are_held_back_by_name_and_by_appearance(tmp_path: Path) -> None:
    for name, gray in (("day_1", 40), ("day_2", 40), ("night_1", 200)):
        save(tmp_path / "images" / f"{name}.png", np.full((8, 8), gray))
        save(tmp_path / "masks" / f"{name}.png", np.zeros((8, 8)))
    by_name = SourceConfig("s", "images", "masks", validation="^day_2")
    training, held = split(find_pairs(tmp_path, by_name), by_name)
    assert [p.image_path.stem for p in training] == ["day_1", "night_1"]
    assert [p.image_path.stem for p in held] == ["day_2"]
    cluster = appearance_cluster(np.full((8, 8), 200, np.uint8), 64)
    assert cluster == "8x8:3"
    by_look = SourceConfig("s", "images", "masks", appearance=64, held_back=(cluster,))
    assert [p.image_path.stem for p in split(find_pairs(tmp_path, by_look), by_look)[1]] == [
        "night_1"
    ]
    measured = SourceConfig("s", "images", "masks", training=False)
    assert split(find_pairs(tmp_path, measured), measured)[0] == []


def test_what_was_read_can_be_let_go(two_parts: Path) -> None:
    image = LabelledImage("s", two_parts, (two_parts,), "binary")
    assert image.kept_bytes == 0
    first = image.rgb8
    assert image.kept_bytes == first.nbytes
    assert image.maps[0].objects
    assert image.kept_bytes == first.nbytes + 12 * 16 * 4
    image.forget()
    assert image.kept_bytes == 0
    assert np.array_equal(image.rgb8, first)


def test_a_list_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabelledDataError, match="cannot be read"):
        load_sources(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[source]]\nname = 'x'\nimages = 3\nmasks = 'm'\n")
    with pytest.raises(LabelledDataError, match="images should be text"):
        load_sources(tmp_path / "bad.toml")


def test_the_published_list_names_each_set_once() -> None:
    names = [s.name for s in load_sources("published")]
    assert len(names) == len(set(names)) == 24
