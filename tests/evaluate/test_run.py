from __future__ import annotations

import json
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from napari_pisam.datasets.labelled import LabelledDataError, SourceConfig, find_pairs, load_sources
from napari_pisam.evaluate.clicks import ClickProtocol, ObjectScores
from napari_pisam.evaluate.report import ClickReport, source_figures
from napari_pisam.evaluate.run import evaluate, measure
from napari_pisam.evaluate.subset import choose, image_name
from napari_pisam.jobs import Progress, finish
from tests.evaluate.truth_predictor import TruthPredictor, squares, truth_predictor, write_source

SIDE = 30


def finished(
    steps: Generator[Progress, None, ClickReport],
) -> tuple[ClickReport, list[Progress]]:
    seen: list[Progress] = []
    return finish(steps, seen.append), seen


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Two sources that train, of one and of six validation objects, and one that does not."""
    one = {"held_1": squares([SIDE]), "seen_1": squares([SIDE, SIDE])}
    many = {f"held_{i}": squares([12, 14, 6]) for i in range(3)}
    tables = [
        write_source(tmp_path, "large", one) + "boundary = true\n",
        write_source(tmp_path, "small", many),
        write_source(tmp_path, "foreign", {"x": squares([SIDE])}) + "training = false\n",
    ]
    path = tmp_path / "sources.toml"
    path.write_text("\n".join(tables), "utf-8")
    return path


def test_the_mean_is_over_sources_never_pooled(listed: Path) -> None:
    report, _ = finished(evaluate(listed, data_root=listed.parent, model=truth_predictor(2)))
    large, small, foreign = report.sources
    assert (large.objects, small.objects, foreign.objects) == (1, 6, 1)
    assert large.click == pytest.approx(28 / 32)
    assert small.click == pytest.approx((10 / 14 + 12 / 16) / 2)
    assert report.mean is not None
    assert report.mean.click == pytest.approx((large.click + small.click) / 2)
    assert report.mean.objects == 7
    assert not foreign.training


def test_boundary_figures_only_where_edges_are_precise(listed: Path) -> None:
    report, _ = finished(evaluate(listed, data_root=listed.parent, model=truth_predictor(2)))
    large, small, _ = report.sources
    assert small.boundary is None
    assert report.mean is not None
    assert report.mean.boundary == large.boundary is not None


def test_only_validation_images_and_objects_large_enough(listed: Path) -> None:
    report, _ = finished(evaluate(listed, data_root=listed.parent, model=truth_predictor()))
    assert {o.image for o in report.objects if o.source == "large"} == {"images/held_1.png"}
    assert min(o.area for o in report.objects) >= 64
    assert all(o.click == 1 for o in report.objects)


def test_progress_counts_to_the_total(listed: Path) -> None:
    report, seen = finished(evaluate(listed, data_root=listed.parent, model=truth_predictor()))
    assert [p.message for p in seen[:3]] == ["large", "small", "foreign"]
    assert seen[-1].done == seen[-1].total == len(report.objects) == 8
    assert all(a.done <= b.done for a, b in pairwise(seen))


def test_closing_the_generator_cancels_the_run(listed: Path) -> None:
    one = TruthPredictor()
    steps = evaluate(listed, data_root=listed.parent, model=one)  # type: ignore[arg-type]
    while next(steps).done < 1:
        pass
    before = len(one.encoded)
    steps.close()
    assert len(one.encoded) == before
    with pytest.raises(StopIteration):
        next(steps)


def test_only_chosen_sources_are_measured(listed: Path) -> None:
    two = ClickProtocol(per_source=2)
    steps = evaluate(
        listed, data_root=listed.parent, model=truth_predictor(), only=("small",), protocol=two
    )
    report, _ = finished(steps)
    assert [(s.name, s.objects) for s in report.sources] == [("small", 2)]
    steps = evaluate(listed, data_root=listed.parent, model=truth_predictor(), only=("smal",))
    with pytest.raises(LabelledDataError, match="no source 'smal'; there are large, small"):
        next(steps)


def test_a_mask_of_another_size_is_an_error(listed: Path) -> None:
    Image.new("L", (40, 50)).save(listed.parent / "large/images/held_1.png")
    steps = evaluate(listed, data_root=listed.parent, model=truth_predictor(), only=("large",))
    with pytest.raises(LabelledDataError, match="50 x 40 pixels and its mask 90 x 200"):
        finished(steps)


def test_two_runs_give_equal_figures(listed: Path) -> None:
    def once() -> list[tuple[str, int, float]]:
        one = ClickProtocol(per_image=1)
        report = finish(
            evaluate(listed, data_root=listed.parent, model=truth_predictor(1), protocol=one)
        )
        return [(o.image, o.object_id, o.click) for o in report.objects]

    assert once() == once()


def test_a_source_without_a_validation_object_is_named(tmp_path: Path) -> None:
    write_source(tmp_path, "seen", {"a": squares([SIDE])})
    source = SourceConfig("seen", "seen/images", "seen/masks", validation="^held")
    report, _ = finished(measure(truth_predictor(), [source], tmp_path, protocol=ClickProtocol()))
    assert report.left_out == ("seen",)
    assert report.mean is None
    assert "No validation object in: seen." in report.table()


def test_the_subset_grows_and_takes_every_image_first(tmp_path: Path) -> None:
    images = {f"held_{i}": squares([10, 11, 12, 13, 14]) for i in range(4)}
    write_source(tmp_path, "many", images)
    pairs = find_pairs(tmp_path, SourceConfig("many", "many/images", "many/masks"))

    def names(per_image: int, per_source: int) -> set[tuple[str, int]]:
        chosen = choose(pairs, per_image=per_image, per_source=per_source, least_area=64)
        return {(image_name(t.pair), o.id) for t in chosen for o in t.objects}

    few, more, most = names(8, 4), names(8, 9), names(8, 99)
    assert len(few) == len({image for image, _ in few}) == 4
    assert few < more < most
    assert (len(more), len(most)) == (9, 20)
    assert names(2, 99) < most
    assert len(names(2, 99)) == 8
    # Not the same label everywhere, nor simply the first ones.
    assert len({label for _, label in few}) > 1


def test_the_report_can_be_read_by_people_and_machines(listed: Path, tmp_path: Path) -> None:
    report, _ = finished(evaluate(listed, data_root=listed.parent, model=truth_predictor(2)))
    lines = report.table().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == [
        "large",
        "small",
        "mean of 2 sources",
        "foreign (only measured)",
    ]
    assert len({len(line) for line in lines[:6]}) == 1
    assert "NoC90" in lines[7]
    assert len({len(line) for line in lines[7:13]}) == 1
    target = tmp_path / "figures.json"
    report.write_json(target)
    read = json.loads(target.read_text("utf-8"))
    assert read["model"] == "truth"
    assert read["mean"]["objects"] == 7
    assert len(read["objects"]) == 8
    assert [s.name for s in load_sources(listed)] == [s["name"] for s in read["sources"]]


def test_clicks_are_counted_to_each_target_and_those_that_spoil_are_told() -> None:
    def scored(image: str, *ious: float) -> ObjectScores:
        return ObjectScores(
            source="s",
            image=image,
            object_id=1,
            area=100,
            span=10,
            click=ious[0],
            corrected=ious[1:],
            box=ious[0],
            box_low=0.5,
            boundary=None,
            boundary_low=None,
            window_ratio=1.0,
            sized_click=None,
            seconds=0.0,
        )

    objects = [scored("a", 0.7, 0.82, 0.8, 0.91), scored("b", 0.95, 0.945, 0.99, 0.99)]
    found = source_figures("s", objects, ClickProtocol(), training=True)
    assert found.noc == (1.5, 2.5, 2.5)
    assert found.worse == pytest.approx(1 / 6)
    assert found.click_within is not None
    assert (found.click_within.low, found.click_within.high) == (0.7, 0.95)
    same = source_figures("s", [scored("a", 0.8)] * 2, ClickProtocol(corrections=0), training=True)
    assert same.worse is None
    assert same.click_within is not None
    assert same.click_within.low == pytest.approx(same.click_within.high)
