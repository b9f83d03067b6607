from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_pisam.evaluate.clicks import (
    ClickProtocol,
    EvaluatedImage,
    ObjectScores,
    Target,
    correction_click,
    measure_object,
    segmenter_of,
    tight_box,
)
from napari_pisam.geometry import Window
from napari_pisam.images.source import ArraySource
from napari_pisam.jobs import finish
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.metrics import iou
from napari_pisam.model.config import config_of
from napari_pisam.model.pisam import PiSam
from napari_pisam.predict.predictor import Predictor
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.simulate import next_correction
from tests.evaluate.truth_predictor import Labels, TruthPredictor, squares, truth_predictor

SIDE = 30


def target_of(labels: Labels, value: int, *, boundary: bool = True) -> Target:
    placed = PlacedMask(0, 0, labels == value).cropped()
    return Target("things", "a.png", value, placed, boundary)


def scores(
    predictor: Predictor,
    *,
    labels: Labels | None = None,
    boundary: bool = True,
    protocol: ClickProtocol | None = None,
) -> ObjectScores:
    labels = squares([SIDE]) if labels is None else labels
    image = EvaluatedImage(ArraySource(labels), "a")
    target = target_of(labels, 1, boundary=boundary)
    return finish(
        measure_object(segmenter_of(predictor), image, target, protocol=protocol or ClickProtocol())
    )


def overlap(shift: int, side: int = SIDE) -> float:
    return (side - shift) / (side + shift)


def test_the_truth_scores_one() -> None:
    found = scores(truth_predictor(), protocol=ClickProtocol(tell_size=True))
    assert (found.click, found.box, found.boundary, found.sized_click) == (1, 1, 1, 1)
    assert found.corrected == (1, 1, 1)
    assert (found.area, found.span) == (SIDE * SIDE, SIDE)


def test_a_shifted_truth_scores_what_its_overlap_is() -> None:
    found = scores(truth_predictor(3))
    assert found.click == pytest.approx(overlap(3))
    assert found.box == pytest.approx(overlap(3))
    assert found.box_low == pytest.approx(overlap(4))
    assert found.boundary is not None
    assert found.boundary_low is not None
    assert found.boundary_low < found.boundary < found.box


def test_each_correction_goes_on_from_the_answer_before() -> None:
    found = scores(truth_predictor(3))
    assert found.corrected == pytest.approx((overlap(2), overlap(1), 1))


def test_without_an_error_left_there_is_no_correction() -> None:
    found = scores(truth_predictor(1), protocol=ClickProtocol(corrections=5))
    assert found.corrected == (1, 1, 1, 1, 1)


def test_no_boundary_figure_where_edges_are_loose() -> None:
    found = scores(truth_predictor(2), boundary=False)
    assert found.boundary is None
    assert found.boundary_low is None


def test_the_window_is_judged_by_the_size_that_the_look_is_to_find() -> None:
    small = squares([8])
    assert scores(truth_predictor(), labels=small).window_ratio == pytest.approx(1, abs=0.1)
    careless = TruthPredictor()
    careless.search_policy = careless.search_policy.__class__(least=0, most=1)
    # It stays at its first window of 64 pixels, where 8 call for about 24.
    found = scores(careless, labels=small)  # type: ignore[arg-type]
    assert found.window_ratio == pytest.approx(64 * 0.33 / 8)


def test_a_window_is_encoded_once() -> None:
    one = TruthPredictor(3)
    scores(one)  # type: ignore[arg-type]
    assert len(one.encoded) == len(set(one.encoded))


def test_the_answers_are_those_of_segment() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (80, 100, 3), np.uint8)
    truth = PlacedMask(20, 30, np.ones((21, 15), np.bool_))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        predictor = Predictor(PiSam(config_of("toy")), name="toy", device="cpu")
    found = finish(
        measure_object(
            segmenter_of(predictor),
            EvaluatedImage(ArraySource(image), "a"),
            Target("things", "a.png", 1, truth, True),
            protocol=ClickProtocol(corrections=1),
        )
    )
    prompt = Prompt(points=(Click(27, 37),))
    by_click = predictor.segment(image, prompt)
    click = next_correction(by_click.mask, truth.in_image(80, 100))
    assert click is not None
    corrected = predictor.segment(image, Prompt(points=prompt.points, corrections=(click,)))
    by_box = predictor.segment(image, Prompt(box=Box(20, 30, 40, 44)))
    assert found.click == pytest.approx(iou(by_click.placed, truth))
    assert found.corrected[0] == pytest.approx(iou(corrected.placed, truth))
    assert found.box == pytest.approx(iou(by_box.placed, truth))
    assert found.window_ratio == by_click.window.height * predictor.search_policy.aim / 21


def test_the_correction_is_that_of_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        prediction, truth = rng.random((2, 12, 15)) > 0.6
        expected = next_correction(prediction, truth)
        placed = PlacedMask(0, 0, truth).cropped()
        assert correction_click(PlacedMask(0, 0, prediction), placed) == expected
    nothing = PlacedMask(0, 0, np.zeros((5, 5), np.bool_))
    assert correction_click(nothing, nothing) is None


def test_a_box_goes_through_the_outermost_pixels() -> None:
    assert tight_box(PlacedMask(4, 5, np.ones((3, 7), np.bool_))) == Box(4, 5, 6, 11)
    assert tight_box(PlacedMask(4, 5, np.ones((1, 70), np.bool_))) == Box(3.5, 5, 4.5, 74)


def test_a_correction_outside_the_window_is_asked_anew() -> None:
    labels = squares([SIDE])
    narrow = TruthPredictor(3)
    narrow.search_policy = narrow.search_policy.__class__(aim=2.0, least=0, most=4.0)
    narrow.first_window = lambda prompt: Window(34, 34, 4, 4)  # type: ignore[method-assign]
    found = scores(narrow, labels=labels)  # type: ignore[arg-type]
    assert len(found.corrected) == 3
