"""The published data tree in miniature: each set is found in its own folders and learned from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_pisam.datasets.labelled import PUBLISHED, find_pairs, load_sources
from napari_pisam.train.config import ConfigError, load_config
from napari_pisam.train.loop import WEIGHTS
from napari_pisam.train.run import Folders, train
from tests.train.test_loop import state_in, weights_in

# Image and mask of one picture of each set, as the sets are laid out when they are unpacked.
TREE = {
    "DIS5K-TR": ("DIS5K/DIS-TR/im/1#Tool#2.jpg", "DIS5K/DIS-TR/gt/1#Tool#2.png"),
    "ThinObject5k-TR": ("ThinObject5K/images_train/a.jpg", "ThinObject5K/masks_train/a.png"),
    "HRSOD-TR": ("HRSOD_release/HRSOD_train/1.jpg", "HRSOD_release/HRSOD_train_mask/1.png"),
    "UHRSD-TR": ("UHRSD_TR_2K/image/x.y.jpg", "UHRSD_TR_2K/mask/x.y.png"),
    "FSS": ("fss_all/1.jpg", "fss_all/1.png"),
    "DUTS-TR": ("DUTS-TR/n01.jpg", "DUTS-TR/n01.png"),
    "DUTS-TE": ("DUTS-TE/n02.jpg", "DUTS-TE/n02.png"),
    "ECSSD": ("ecssd/0001.jpg", "ecssd/0001.png"),
    "MSRA10K": ("MSRA_10K/1.jpg", "MSRA_10K/1.png"),
    "DIS5K-VD": ("DIS5K/DIS-VD/im/3.jpg", "DIS5K/DIS-VD/gt/3.png"),
}
CONFIG = """
name = "miniature"
stage = "decoder"
model = "toy"
data = "published"
losses = ["low", "high"]
epochs = 1
crops = 1
objects = 1
high_objects = 1
window = "whole"
augment = "flip"
workers = 0
device = "cpu"
precision = "32-true"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "sets"
    rows, columns = np.ogrid[:48, :64]
    for number, (image, mask) in enumerate(TREE.values()):
        shape = (rows - 24) ** 2 + (columns - 20 - 2 * number) ** 2 < 14**2
        for path in (root / image, root / mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.dstack([shape * 150 + 50, shape * 20 + 9 * number, shape * 90]).astype(np.uint8)
        Image.fromarray(pixels).save(root / image)
        Image.fromarray((shape * 255).astype(np.uint8)).save(root / mask)
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    return root


def test_every_set_is_trained_on_except_dis_vd_which_validates(tree: Path, tmp_path: Path) -> None:
    reports = list(train(tmp_path / "config.toml", Folders(tree, tmp_path / "run")))
    assert [r.total for r in reports] == [9] * 9
    assert {"low", "high", "val/high"} <= reports[-1].figures.keys()
    assert state_in(tmp_path / "run")["done"] == 9
    _, said = weights_in(tmp_path / "run")
    assert set(TREE) - {"DIS5K-VD"} == set(said["training"]["sources"])
    assert (tmp_path / "run" / WEIGHTS).is_file()


def test_a_mask_is_one_object_and_an_image_is_no_mask_of_itself(tree: Path) -> None:
    for source in load_sources(PUBLISHED):
        if source.name in TREE:
            (pair,) = find_pairs(tree, source)
            assert pair.image_path == tree / TREE[source.name][0]
            assert pair.mask_paths == (tree / TREE[source.name][1],)
            (labels,) = pair.maps
            assert [item.id for item in labels.objects] == [1]


def test_missing_sets_end_the_run_or_are_skipped_as_configured(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "fss_all")
    config, folders = tmp_path / "config.toml", Folders(tree, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"folders of FSS are not under.*missing = \"skip\""):
        list(train(config, folders))
    config.write_text('missing = "skip"\n' + CONFIG, "utf-8")
    first, *_ = reports = list(train(config, folders))
    assert len(reports) == 8
    assert "left out, because their folders are missing: FSS" in first.message


def test_validation_without_held_back_images_is_an_error_that_says_so(
    tree: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tree / "DIS5K")
    (tmp_path / "config.toml").write_text('missing = "skip"\n' + CONFIG, "utf-8")
    assert load_config(tmp_path / "config.toml").sources
    work = train(tmp_path / "config.toml", Folders(tree, tmp_path / "run"), evaluate_only=True)
    with pytest.raises(ConfigError, match="No image is held back"):
        next(work)
