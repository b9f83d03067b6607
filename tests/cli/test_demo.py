"""`pisam demo`: its files, its figures, and that its prompts lie on their objects."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_pisam.cli import demo_scene
from napari_pisam.cli.demo_overlay import ENLARGED
from napari_pisam.cli.opened import check_inside, open_image
from napari_pisam.cli.prompts_csv import read_prompts
from napari_pisam.images.read import read_image, read_labels
from tests.cli.toy import one_sentence, run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of the objects, with a point, a box and corrections, are enough for a toy."""
    chosen = tuple(one for one in demo_scene.OBJECTS if one.given.id in (1, 3, 7))
    monkeypatch.setattr(demo_scene, "OBJECTS", chosen)


def test_scikit_image_ships_the_image_in_its_wheel() -> None:
    listed = {str(path) for path in files("scikit-image") or ()}
    assert f"skimage/data/{demo_scene.image_path().name}" in listed
    assert demo_scene.image_path().is_file()


def test_the_prompts_are_several_objects_points_boxes_and_corrections() -> None:
    prompts = [one.given.prompt for one in demo_scene.OBJECTS]
    assert len(prompts) >= 8
    assert sum(bool(p.points) for p in prompts) >= 3
    assert sum(p.box is not None for p in prompts) >= 3
    corrections = [c for p in prompts for c in p.corrections]
    assert len(corrections) >= 2
    # A sign is true whatever the model answers; a click without one might undo a good mask.
    assert all(c.positive is not None for c in corrections)
    check_inside([one.given for one in demo_scene.OBJECTS], open_image(demo_scene.image_path()))


@pytest.mark.usefixtures("few")
def test_the_demo_writes_the_files_it_names_and_segment_gives_the_same_labels(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    written = run(capsys, "demo", "--output", folder, "--model", toy_model)
    assert (written.code, written.err) == (0, "")
    names = {path.name for path in folder.iterdir()}
    assert names == {"image.png", "prompts.csv", "labels.tif", "overlay.png"}
    for name in names:
        assert str(folder / name) in written.out
    labels = read_labels(folder / "labels.tif")
    image = read_image(folder / "image.png")
    assert labels.shape == image.shape[:2]
    assert read_image(folder / "overlay.png").shape[:2] == tuple(n * ENLARGED for n in labels.shape)
    assert read_prompts(folder / "prompts.csv") == tuple(o.given for o in demo_scene.OBJECTS)
    again = tmp_path / "again.tif"
    words = ("--prompts", folder / "prompts.csv", "-o", again, "--model", toy_model)
    assert run(capsys, "segment", demo_scene.image_path(), *words).code == 0
    np.testing.assert_array_equal(read_labels(again), labels)


@pytest.mark.usefixtures("few")
def test_the_figures_show_what_each_correction_changed(
    capsys: Capture, toy_model: Path, tmp_path: Path
) -> None:
    from napari_pisam.cli.cutting import Cutter, predictor_for

    written = run(capsys, "demo", "--output", tmp_path, "--model", toy_model)
    cutter = Cutter(predictor_for(str(toy_model)), open_image(demo_scene.image_path()))
    for one in demo_scene.OBJECTS:
        result = demo_scene.segment_object(cutter, one)
        assert f"{result.last.placed.mask.sum()} px" in written.out
        changes = list(result.changes())
        assert len(changes) == len(one.given.prompt.corrections)
        area = int(result.steps[0].placed.mask.sum())
        for change in changes:
            assert f"{change.click.y:g},{change.click.x:g}" in written.out
            assert f"{change.added} px" in written.out
            assert f"{change.removed} px" in written.out
            area += change.added - change.removed
        assert area == int(result.last.placed.mask.sum())
        if changes:
            assert any(change.added or change.removed for change in changes)


def test_a_folder_that_cannot_be_made_is_one_sentence(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    written = run(capsys, "demo", "--output", tmp_path / "file" / "folder")
    assert written.code == 2
    assert "cannot be made" in one_sentence(written)


def test_the_embedded_model_cuts_the_coin_that_is_clicked(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = demo_scene.OBJECTS[0]
    monkeypatch.setattr(demo_scene, "OBJECTS", (first,))
    assert run(capsys, "demo", "--output", tmp_path).code == 0
    labels = read_labels(tmp_path / "labels.tif")
    # A disc drawn by eye over that coin.
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
    coin = (y - 54.5) ** 2 + (x - 44.5) ** 2 < 21.5**2
    both = (labels == first.given.id) & coin
    assert both.sum() / ((labels == first.given.id) | coin).sum() > 0.75
    with Image.open(tmp_path / "overlay.png") as picture:
        assert picture.mode == "RGB"
