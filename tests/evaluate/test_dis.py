from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_pisam.datasets.labelled import LabelledDataError, SourceConfig, find_pairs
from napari_pisam.evaluate.dis import (
    DisMeasures,
    DisReport,
    evaluate_dis,
    published_figures,
    read_pair,
    squeezed_box,
    squeezed_probabilities,
)
from napari_pisam.jobs import Progress, finish
from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.predict.predictor import Predictor
from napari_pisam.prompts import Box
from tests.evaluate.truth_predictor import write_source


def disc(height: int, width: int, radius: float) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, cols = np.mgrid[:height, :width]
    inside: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (
        np.hypot(rows - height / 2, cols - width / 2) < radius
    )
    return inside


@pytest.fixture(scope="module")
def toy() -> Predictor:
    return Predictor(PiSam(config_of("toy")), name="toy", device="cpu")


def finished(steps: Generator[Progress, None, DisReport]) -> tuple[DisReport, list[Progress]]:
    seen: list[Progress] = []
    return finish(steps, seen.append), seen


def test_the_true_mask_has_perfect_figures() -> None:
    measures, truth = DisMeasures(), disc(80, 100, 30)
    measures.add(truth.astype(np.uint8) * 255, truth)
    found = measures.figures("discs")
    assert (found.images, found.mae, found.hce) == (1, 0, 0)
    assert found.max_f == pytest.approx(1)
    assert found.weighted_f == pytest.approx(1)
    assert found.s_measure == pytest.approx(1)
    # The lowest of the 256 thresholds takes every pixel.
    assert found.mean_e > 0.98


def test_worse_masks_have_worse_figures() -> None:
    truth = disc(120, 120, 40)
    figures = []
    for radius in (40, 36, 25):
        measures = DisMeasures()
        measures.add(disc(120, 120, radius).astype(np.uint8) * 255, truth)
        figures.append(measures.figures("discs"))
    best, middle, worst = figures
    for name in ("max_f", "weighted_f", "s_measure", "mean_e"):
        assert getattr(best, name) > getattr(middle, name) > getattr(worst, name)
    assert best.mae < middle.mae < worst.mae
    assert best.hce is not None
    assert worst.hce is not None
    assert best.hce < worst.hce


def test_the_published_table_is_complete() -> None:
    published = published_figures()
    assert list(published) == ["DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4"]
    assert all(len(methods) == 14 for methods in published.values())
    ours = published["DIS-TE1"]["Pi-SAM-b"]
    assert (ours.max_f, ours.weighted_f, ours.mae) == (0.890, 0.869, 0.027)
    assert (ours.s_measure, ours.mean_e, ours.hce) == (0.894, 0.947, 176)
    assert published["DIS-TE4"]["Pi-SAM-b"].hce is None


def test_the_box_is_squeezed_with_the_image() -> None:
    truth = np.zeros((50, 200), np.bool_)
    truth[10:20, 40:160] = True
    assert squeezed_box(truth, 100) == Box(19.5, 19.5, 39.5, 79.5)


def test_the_mask_has_the_size_of_the_image(toy: Predictor) -> None:
    rgb8 = np.random.default_rng(0).integers(0, 255, (40, 70, 3), np.uint8)
    answer = squeezed_probabilities(toy, rgb8, disc(40, 70, 12))
    assert answer.shape == (40, 70)
    assert answer.dtype == np.uint8
    assert len(np.unique(answer)) > 2


def test_datasets_stand_beside_their_published_figures(toy: Predictor, tmp_path: Path) -> None:
    masks = {f"p{i}": disc(40, 60, 10 + i).astype(np.uint8) * 255 for i in range(3)}
    masks["empty"] = np.zeros((40, 60), np.uint8)
    table = write_source(tmp_path, "DIS5K-TE1", masks) + 'kind = "whole"\ntraining = false\n'
    listed = tmp_path / "published.toml"
    listed.write_text(table, "utf-8")
    report, seen = finished(evaluate_dis(listed, data_root=tmp_path, model=toy))
    assert report.sources[0].images == 3
    assert report.left_out == ("DIS5K-TE1 images/empty.png",)
    assert seen[-1].done == seen[-1].total == 4
    lines = report.table().splitlines()
    assert "toy (measured)" in lines[2]
    assert len([line for line in lines if "DIS-TE1" in line]) == 15
    assert '"max_f"' in report.as_json()
    few, _ = finished(evaluate_dis(listed, data_root=tmp_path, model=toy, per_source=2))
    assert few.sources[0].images == 1


def test_missing_sets_are_not_measured(toy: Predictor, tmp_path: Path) -> None:
    with pytest.raises(LabelledDataError, match="None of the data sets"):
        next(evaluate_dis(data_root=tmp_path, model=toy))
    pictures = {"a": disc(40, 60, 12).astype(np.uint8) * 255}
    root = tmp_path / "DIS5K"
    write_source(root, "DIS-TE2", pictures)
    (root / "DIS-TE2" / "images").rename(root / "DIS-TE2" / "im")
    (root / "DIS-TE2" / "masks").rename(root / "DIS-TE2" / "gt")
    Image.open(root / "DIS-TE2/im/a.png").save(root / "DIS-TE2/im/a.jpg")
    report, _ = finished(evaluate_dis(data_root=tmp_path, model=toy))
    assert [s.name for s in report.sources] == ["DIS5K-TE2"]


def test_a_mask_of_another_size_is_an_error(tmp_path: Path) -> None:
    write_source(tmp_path, "odd", {"a": disc(20, 20, 5).astype(np.uint8) * 255})
    Image.new("L", (21, 20)).save(tmp_path / "odd/images/a.png")
    pair = find_pairs(tmp_path, SourceConfig("odd", "odd/images", "odd/masks"))[0]
    with pytest.raises(LabelledDataError, match="should be of one size"):
        read_pair(pair)


def test_pixels_of_8_bits_stay_and_others_are_mapped(tmp_path: Path) -> None:
    write_source(tmp_path, "gray", {"a": np.full((9, 9), 100, np.uint8)})
    source = SourceConfig("gray", "gray/images", "gray/masks")
    rgb8, _ = read_pair(find_pairs(tmp_path, source)[0])
    assert rgb8.shape == (9, 9, 3)
    assert (rgb8 == 100).all()
    deep = np.arange(81, dtype=np.uint16).reshape(9, 9) * 500
    Image.fromarray(deep).save(tmp_path / "gray/images/a.png")
    rgb8, _ = read_pair(find_pairs(tmp_path, source)[0])
    assert (rgb8.min(), rgb8.max()) == (0, 255)


def test_without_pysodmetrics_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "py_sod_metrics", None)
    with pytest.raises(LabelledDataError, match=r"napari-pisam\[train\]"):
        DisMeasures()
