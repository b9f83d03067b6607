"""What the model is told is what was said: pixels, points, boxes, masks, signs, in their places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam import Box, Click, PlacedMask, Prompt, Window
from napari_pisam.geometry import WindowGrid
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import PyramidSource
from napari_pisam.model.pisam import PiSam
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.prompt_embedding import MASK_LOGIT, mask_logits
from napari_pisam.predict.results import SegmentResult
from tests.predict.conftest import toy_model

SIDE, LOW = 64, 16
COLOURS: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
AS_THEY_ARE = IntensityWindow((0.0,) * 3, (255.0,) * 3)
WHOLE = Window(0, 0, SIDE, SIDE)

places = st.integers(0, SIDE - 1)
boxes = st.builds(
    lambda y, x, height, width: Box(y, x, y + height, x + width),
    *(st.integers(1, 30) for _ in range(4)),
)
prompts = st.builds(
    lambda first, more, box: Prompt(points=(first, *more), box=box),
    st.builds(Click, places, places),
    st.lists(st.builds(Click, places, places, st.booleans()), max_size=2),
    st.none() | boxes,
)


@pytest.fixture(scope="module")
def plain() -> PiSam:
    """The model as it is trained, without what is done to it for speed."""
    return toy_model().eval()


@pytest.fixture(scope="module")
def everywhere() -> Predictor:
    return Predictor(toy_model(), name="toy", dtype="float32", everywhere=True)


def pixels_of(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def said_by(model: PiSam, prompt: Prompt) -> Any:
    """The model's own answer, where an image pixel is a pixel of the input: x first, 1 and 0."""
    asked: dict[str, torch.Tensor] = {
        "points_xy_input": torch.tensor([[(c.x, c.y) for c in prompt.points]], dtype=torch.float32),
        "point_labels": torch.tensor([[1 if c.positive else 0 for c in prompt.points]]),
    }
    if prompt.box is not None:
        b = prompt.box
        asked["boxes_xyxy_input"] = torch.tensor([[b.x_min, b.y_min, b.x_max, b.y_max]])
    with torch.no_grad():
        return model(pixels_of(COLOURS), **asked)


@settings(deadline=None, max_examples=20)
@given(prompt=prompts)
def test_the_answer_to_points_and_a_box_is_what_the_trained_model_says_of_the_same_pixels(
    plain: PiSam, everywhere: Predictor, prompt: Prompt
) -> None:
    found = everywhere.predict(everywhere.embed(COLOURS, WHOLE, AS_THEY_ARE), prompt)
    wanted = said_by(plain, prompt)
    assert np.allclose(found.logits, wanted.logits[0, 0], atol=1e-3)
    assert np.allclose(found.low_res_logits, wanted.low_res_logits[0, 0], atol=1e-3)
    # one click may mean three things, the best of which is answered; else there is one answer
    one_click = len(prompt.points) == 1 and prompt.box is None
    score = wanted.iou[0, 1:].max() if one_click else wanted.iou[0, 0]
    assert found.score == pytest.approx(float(score.clamp(0, 1)), abs=1e-4)


@settings(deadline=None, max_examples=10)
@given(y=places, x=places)
def test_a_look_at_one_click_shows_the_best_of_sams_three_masks(
    plain: PiSam, everywhere: Predictor, y: int, x: int
) -> None:
    embedding = everywhere.embed(COLOURS, WHOLE, AS_THEY_ARE)
    with torch.no_grad():
        encoded = plain.encode(plain.normalise_and_pad(pixels_of(COLOURS)))
        sparse, dense = plain.encode_prompts(
            points_xy_input=torch.tensor([[[float(x), float(y)]]]), point_labels=torch.ones(1, 1)
        )
        state = plain.mask_decoder.prompt_state(
            encoded.embedding, None, image_pe=plain.dense_pe(), sparse=sparse, dense=dense
        )
    best = int(state.iou[0, 1:].argmax()) + 1
    logits, score = everywhere.predict_low_res(embedding, Prompt(points=(Click(y, x),)))
    assert np.allclose(logits, state.sam_logits[0, best], atol=1e-3)
    assert score == pytest.approx(float(state.iou[0, best].clamp(0, 1)), abs=1e-4)


@pytest.mark.parametrize(("bias", "score"), [(9.0, 1.0), (-9.0, 0.0)])
def test_a_score_is_a_share_whatever_the_model_estimates(bias: float, score: float) -> None:
    model = toy_model()
    last = model.mask_decoder.iou_prediction_head.layers[-1]
    torch.nn.init.constant_(last.bias, bias)
    predictor = Predictor(model, name="sure", dtype="float32")
    prompt = Prompt(points=(Click(30, 30),))
    embedding = predictor.embed(COLOURS)
    assert predictor.predict(embedding, prompt).score == score
    assert predictor.predict_low_res(embedding, prompt)[1] == score


@settings(deadline=None, max_examples=50)
@given(
    y=st.integers(-40, 100),
    x=st.integers(-40, 100),
    side=st.integers(20, 150),
    mask=st.tuples(*(st.integers(1, 99) for _ in range(4))),
)
def test_a_mask_prompt_is_told_in_its_place_and_the_object_is_what_is_above_zero(
    y: int, x: int, side: int, mask: tuple[int, int, int, int]
) -> None:
    window = Window(y, x, side, side)
    top, left, height, width = mask
    placed = PlacedMask(top, left, np.ones((height, width), np.bool_))
    told = mask_logits(Prompt(mask=placed), window, LOW)
    assert told.shape == (LOW, LOW)
    full = placed.in_image(260, 260)
    cell = side / LOW
    known = 0
    for row in range(LOW):
        for column in range(LOW):
            # the cell and what is softened round it, in image pixels
            reach = 1.5 * max(cell, 1) + 1
            middle = (y - 0.5 + (row + 0.5) * cell, x - 0.5 + (column + 0.5) * cell)
            rows, columns = (
                slice(max(int(m - reach), 0), max(int(m + reach) + 2, 0)) for m in middle
            )
            there = full[rows, columns]
            if min(m - reach for m in middle) < 0 and there.any():
                continue
            if not there.any():
                assert told[row, column] == pytest.approx(-MASK_LOGIT, abs=1e-3)
                known += 1
            elif there.all():
                assert told[row, column] == pytest.approx(MASK_LOGIT, abs=1e-3)
                known += 1
    assume(known)


@pytest.mark.parametrize("signs", [(True, False), (False, True, True)])
def test_corrections_reach_the_interactor_in_their_places_with_their_signs(
    signs: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(toy_model(), name="toy", dtype="float32")
    heard: list[dict[str, torch.Tensor]] = []
    whole = predictor.model.mask_decoder.correct

    def noted(*given: Any, **named: Any) -> Any:
        heard.append(named)
        return whole(*given, **named)

    monkeypatch.setattr(predictor.model.mask_decoder, "correct", noted)
    window = Window(-5, 3, 50, 50)
    clicks = tuple(Click(10 + 7 * i, 30 + 4 * i, sign) for i, sign in enumerate(signs))
    prompt = Prompt(points=(Click(20, 25),), corrections=clicks)
    predictor.predict(predictor.embed(COLOURS, window, AS_THEY_ARE), prompt)
    assert heard[-1]["click_labels"].tolist() == [[int(s) for s in signs]]
    assert np.allclose(heard[-1]["clicks_xy_unit"][0], WindowGrid(window, 1).points_xy_unit(clicks))


def test_a_correction_far_from_the_mask_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bias = torch.full((LOW, LOW), -30.0)
    bias[2:5, 2:6] = 0
    answers = []
    for wide in (True, False):
        predictor = Predictor(toy_model(), name="toy", dtype="float32", everywhere=wide)
        state = predictor.model.mask_decoder.prompt_state

        def nearby(*a: Any, state: Any = state, **k: Any) -> Any:
            found = state(*a, **k)
            return replace(found, low_res_logits=found.low_res_logits.clamp(-1, 1) + bias)

        monkeypatch.setattr(predictor.model.mask_decoder, "prompt_state", nearby)
        embedding = predictor.embed(COLOURS, WHOLE, AS_THEY_ARE)
        prompt = Prompt(points=(Click(14, 14),), corrections=(Click(42, 18, True),))
        answers.append(predictor.predict(embedding, prompt).logits)
    there = (slice(36, 50), slice(12, 26))
    assert np.allclose(answers[0][there], answers[1][there], atol=1e-3)
    assert not np.allclose(answers[0], answers[1], atol=1)


@pytest.mark.parametrize("chosen", [(2,), (0, 3), (3, 1, 0)])
def test_the_model_sees_the_channels_that_were_chosen_and_no_others(
    toy: Predictor, chosen: tuple[int, ...]
) -> None:
    image = np.random.default_rng(1).integers(0, 4000, (60, 70, 4)).astype(np.uint16)
    seen = toy.embed(image, channels=chosen).pixels
    alone = toy.embed(image[..., list(chosen)]).pixels
    assert np.array_equal(seen, alone)
    assert not np.array_equal(seen, toy.embed(image).pixels)


@pytest.mark.parametrize(
    ("side", "level"), [(64, 0), (100, 0), (256, 1), (500, 1), (1024, 2), (4000, 2)]
)
def test_a_window_is_read_at_the_coarsest_level_that_is_as_fine_as_the_model_sees(
    toy: Predictor, side: int, level: int
) -> None:
    # a level tells itself by its brightness
    levels = [
        np.full((4096 // f, 4096 // f), v, np.uint8) for v, f in ((0, 1), (100, 4), (200, 16))
    ]
    source = PyramidSource(levels)
    window = Window(10, 20, side, side)
    pixels = toy.embed(source, window, IntensityWindow((0.0,), (255.0,))).pixels
    assert set(np.unique(pixels)) == {100 * level}


def test_an_answer_belongs_to_its_own_window(toy: Predictor) -> None:
    prompt = Prompt(points=(Click(30, 30),))
    one, other = (toy.embed(image, WHOLE, AS_THEY_ARE) for image in (COLOURS, COLOURS[::-1]))
    toy.predict(one, prompt)
    after = toy.predict(other, prompt)
    alone = Predictor(toy_model(), name="toy", dtype="float32").predict(other, prompt)
    assert np.allclose(after.logits, alone.logits, atol=1e-5)


@settings(deadline=None)
@given(y=st.integers(0, 400), x=st.integers(0, 400), dy=st.integers(0, 400), dx=st.integers(0, 400))
def test_the_first_window_is_at_native_resolution_unless_the_points_are_too_far_apart_for_it(
    toy: Predictor, y: int, x: int, dy: int, dx: int
) -> None:
    points = (Click(y, x), Click(y + dy, x + dx))
    window = toy.first_window(Prompt(points=points))
    assert all(window.contains(c) for c in points)
    if max(dy, dx) <= SIDE / 2:
        assert window.height == SIDE


def answer(logits: NDArray[np.float32], window: Window) -> SegmentResult:
    return SegmentResult(
        request_id=0,
        window=window,
        logits=logits,
        low_res_logits=logits,
        score=0.5,
        image_height=90,
        image_width=100,
        prompt=Prompt(points=(Click(0, 0),)),
        intensity=AS_THEY_ARE,
        model="none",
        device="cpu",
    )


@settings(deadline=None)
@given(
    y=st.integers(-20, 60),
    x=st.integers(-20, 70),
    off=st.tuples(st.floats(-0.49, 0.49), st.floats(-0.49, 0.49)),
    place=st.tuples(st.integers(-5, 95), st.integers(-5, 105)),
)
def test_a_mask_is_what_lies_above_zero_and_a_click_reads_the_pixel_nearest_to_it(
    y: int, x: int, off: tuple[float, float], place: tuple[int, int]
) -> None:
    logits = np.random.default_rng(abs(y * 100 + x)).normal(0, 0.5, (32, 32)).astype(np.float32)
    result = answer(logits, Window(y, x, 32, 32))
    whole = np.zeros((90 + 40, 100 + 40), np.bool_)
    whole[y + 20 : y + 52, x + 20 : x + 52] = logits > 0
    assert np.array_equal(result.mask, whole[20:110, 20:120])
    inside = 0 <= place[0] < 90 and 0 <= place[1] < 100
    covered = inside and bool(result.mask[place])
    assert result.covers(Click(place[0] + off[0], place[1] + off[1])) == covered
