"""The scripts of the documentation."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile

from napari_pisam.datasets.synthetic import SyntheticTissue
from napari_pisam.geometry import Window
from napari_pisam.images.read import read_labels
from tests.images.image_files import write_pyramid

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_annotation_script(make_napari_viewer: Any, tmp_path: Path) -> None:
    annotate = runpy.run_path(str(EXAMPLES / "annotate.py"))["annotate"]
    viewer = make_napari_viewer(show=False)
    panel = annotate(viewer, tmp_path / "labels.tif")
    try:
        labels = read_labels(tmp_path / "labels.tif")
        assert labels.shape == (303, 384)
        assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
        assert labels[126, 102] == 1
        assert labels[51, 215] == 2
        assert labels[263, 244] == 4
        assert [kept.clicks for kept in panel.objects] == [1, 1, 3, 1]
        assert viewer.status.startswith("Object 4: ")
    finally:
        panel.close_work()


def test_many_objects_from_a_table_on_a_lazy_pyramid(tmp_path: Path) -> None:
    tissue = SyntheticTissue(1500, 1500)
    made = tissue.region(Window(0, 0, 1500, 1500))
    write_pyramid(
        tmp_path / "tissue.ome.tif",
        made.pixels[..., 0].copy(),
        (2, 4),
        PhysicalSizeX=0.25,
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=0.25,
        PhysicalSizeYUnit="µm",
    )
    ids, sizes = np.unique(made.nuclei, return_counts=True)
    chosen = [int(i) for i in ids[np.argsort(sizes)[::-1]] if i][:6]
    places = [np.argwhere(made.nuclei == i).mean(0) for i in chosen]
    lines = [f"{i},{y:.1f},{x:.1f}" for i, (y, x) in zip(chosen, places, strict=True)]
    (tmp_path / "cells.csv").write_text("\n".join(["group,y,x", *lines]))
    story = runpy.run_path(str(EXAMPLES / "segment_table.py"))["segment_table"]
    layer = story(tmp_path / "tissue.ome.tif", tmp_path / "cells.csv", tmp_path / "labels.tif")
    assert layer.scale.tolist() == [0.25, 0.25]
    labels = read_labels(tmp_path / "labels.tif")
    assert labels.shape == (1500, 1500)
    assert set(np.unique(labels)) == {0, *chosen}
    for number, (y, x) in zip(chosen, places, strict=True):
        assert labels[round(y), round(x)] == number


def test_a_widget_of_ones_own(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=False)
    widget = runpy.run_path(str(EXAMPLES / "own_widget.py"))["show"](viewer)
    widget.image.value = viewer.layers["tissue nuclei"]
    widget.most.value = 3
    labels = widget()
    assert labels in viewer.layers
    assert set(np.unique(labels.data)) == {0, 1, 2, 3}
    assert labels.scale.tolist() == [0.25, 0.25]


def test_python_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = runpy.run_path(str(EXAMPLES / "python_api.py"), run_name="__main__")
    assert found["mask"][195, 275]
    assert found["mask"].shape == found["better"].mask.shape == found["image"].shape
    assert found["adds"] == (not found["mask"][207, 259])
    assert (found["better"].mask != found["mask"]).any()
    for mask, box in zip(found["boxed"], found["boxes"], strict=True):
        inside = mask[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)]
        assert inside.sum() > 0.9 * mask.sum() > 300
    assert "Areas, pixels: [" in capsys.readouterr().out


def test_a_folder_goes_on_after_a_damaged_image(tmp_path: Path) -> None:
    samples: Any = skimage.data
    coins = np.asarray(samples.coins())
    images = tmp_path / "images"
    images.mkdir()
    tifffile.imwrite(images / "a.tif", coins)
    (images / "b.tif").write_bytes(b"II*\0damaged")
    tifffile.imwrite(images / "c.tif", coins[:150])
    for name in "abc":
        (images / f"{name}.csv").write_text("id,y,x\n7,126,102\n9,51,215\n")
    story = runpy.run_path(str(EXAMPLES / "segment_folder.py"))["segment_folder"]
    (failure,) = story(images, tmp_path / "labels")
    assert failure.startswith("b: b.tif does not open as TIFF")
    for name in "ac":
        labels = read_labels(tmp_path / "labels" / f"{name}.tif")
        assert (labels[126, 102], labels[51, 215]) == (7, 9)
    assert not (tmp_path / "labels" / "b.tif").exists()
