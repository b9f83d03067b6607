"""Promises of prediction from Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam import Box, Click, PlacedMask, Prompt, Window
from napari_pisam.geometry import WindowGrid
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageError
from napari_pisam.jobs import finish
from napari_pisam.model.deform import Region
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.predict.segmenter import Segmenter
from napari_pisam.predict.window_search import (
    SearchPolicy,
    Trial,
    extent_in,
    next_window,
    window_of,
)
from tests.predict.conftest import toy_model

INTENSITY = IntensityWindow((0.0,), (60_000.0,))


def picture(height: int = 96, width: int = 80, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 60_000, (height, width)).astype(np.uint16)


def test_a_click_gives_a_mask_as_large_as_the_image(toy: Predictor) -> None:
    result = toy.segment(picture(), Prompt(points=(Click(40, 40),)))
    assert result.mask.shape == (96, 80)
    assert result.mask.dtype == np.bool_
    assert result.logits.shape == (64, 64)
    assert result.logits.dtype == np.float32
    assert 0 <= result.score <= 1
    assert result.intensity.low


def test_the_same_prompt_gives_the_same_answer(toy: Predictor) -> None:
    prompt = Prompt(points=(Click(30, 50),), corrections=(Click(35, 52, False),))
    first, second = (toy.segment(picture(), prompt) for _ in range(2))
    assert first.window == second.window
    assert np.array_equal(first.logits, second.logits)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8", "?"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 5])
def test_any_dtype_and_any_number_of_channels_is_taken(
    toy: Predictor, dtype: str, channels: int | None
) -> None:
    shape = (70, 60) if channels is None else (70, 60, channels)
    image = (np.random.default_rng(1).random(shape) * 100).astype(dtype)
    assert toy.segment(image, Prompt(box=Box(10, 10, 50, 40))).mask.shape == (70, 60)


def test_the_same_box_gives_the_same_mask_whatever_surrounds_it(toy: Predictor) -> None:
    # The window reaches 1.5 spans round the box; what lies beyond must not matter.
    image = picture(200, 220)
    other = picture(260, 300, seed=5)
    other[30:230, 40:260] = image
    box = Box(90, 100, 110, 118)
    moved = Box(120, 140, 140, 158)
    small = _process(toy, image, Prompt(box=box))
    large = _process(toy, other, Prompt(box=moved))
    assert np.array_equal(small.logits, large.logits)
    assert (large.window.y - small.window.y, large.window.x - small.window.x) == (30, 40)


def _process(
    predictor: Predictor, image: NDArray[np.uint16], prompt: Prompt, window: Window | None = None
) -> SegmentResult:
    from napari_pisam.images.source import ArraySource

    request = SegmentRequest(
        id=3,
        source=ArraySource(image),
        intensity=INTENSITY,
        prompt=prompt,
        source_key="k",
        window=window,
    )
    steps = Segmenter(predictor, EmbeddingCache(10**8)).steps(request)
    words: list[str] = []
    result = finish(steps, words.append)
    assert words[-1] == "decode"
    return result


def test_a_correction_without_a_sign_means_the_opposite_of_the_mask_there(toy: Predictor) -> None:
    embedding = toy.embed(picture())
    prompt = Prompt(points=(Click(40, 40),))
    before = toy.predict(embedding, prompt)
    where = Click(20, 30, None)
    after = toy.predict(embedding, replace(prompt, corrections=(where,)))
    signed = replace(where, positive=not before.covers(where))
    assert after.prompt.corrections == (signed,)
    explicit = toy.predict(embedding, replace(prompt, corrections=(signed,)))
    assert np.array_equal(after.logits, explicit.logits)


def test_a_second_unsigned_correction_reads_the_mask_after_the_first(toy: Predictor) -> None:
    embedding = toy.embed(picture())
    prompt = Prompt(points=(Click(40, 40),), corrections=(Click(20, 30, None),))
    one = toy.predict(embedding, prompt)
    second = Click(22, 33, None)
    both = toy.predict(embedding, replace(prompt, corrections=(*prompt.corrections, second)))
    assert both.prompt.corrections[1].positive is (not one.covers(second))


def test_a_correction_of_a_published_model_changes_the_answer_and_leaves_the_low_resolution_mask(
    toy_published: Predictor,
) -> None:
    embedding = toy_published.embed(picture())
    prompt = Prompt(points=(Click(40, 40),))
    before = toy_published.predict(embedding, prompt)
    after = toy_published.predict(embedding, replace(prompt, corrections=(Click(20, 30, True),)))
    assert not np.array_equal(before.logits, after.logits)
    assert np.array_equal(before.low_res_logits, after.low_res_logits)


@pytest.mark.parametrize(
    ("kind", "decoded"), [("toy_published", []), ("toy", ["decode"]), ("toy_sam", ["decode"])]
)
def test_a_correction_does_not_encode_again_and_decodes_only_where_sam_takes_it(
    kind: str,
    decoded: list[str],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor: Predictor = request.getfixturevalue(kind)
    calls: list[str] = []

    def counted(name: str, whole: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            calls.append(name)
            return whole(*given, **named)

        return call

    decoder = predictor.model.mask_decoder
    monkeypatch.setattr(predictor.model, "encode", counted("encode", predictor.model.encode))
    monkeypatch.setattr(decoder, "prompt_state", counted("decode", decoder.prompt_state))
    embedding = predictor.embed(picture())
    prompt = Prompt(points=(Click(40, 40),))
    predictor.predict(embedding, prompt)
    assert calls == ["encode", "decode"]
    predictor.predict(embedding, replace(prompt, corrections=(Click(20, 30, True),)))
    assert calls == ["encode", "decode", *decoded]


def test_a_correction_is_answered_again_as_a_point_with_the_answer_before_it_as_the_mask(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = toy.embed(picture())
    prompt = Prompt(points=(Click(40, 40),), box=Box(20, 20, 60, 70))
    asked: list[dict[str, Any]] = []
    whole = toy.model.encode_prompts

    def noted(**given: Any) -> Any:
        asked.append(given)
        return whole(**given)

    monkeypatch.setattr(toy.model, "encode_prompts", noted)
    answer = toy.predict(embedding, prompt)
    for click in (Click(20, 30, True), Click(50, 44, False)):
        prompt = replace(prompt, corrections=(*prompt.corrections, click))
        before, answer = answer, toy.predict(embedding, prompt)
        given = asked[-1]
        told = (*prompt.points, *prompt.corrections)
        assert given["point_labels"].tolist() == [[int(bool(c.positive)) for c in told]]
        xy = WindowGrid(embedding.window, toy.window_size).points_xy_input(told)
        assert np.array_equal(given["points_xy_input"][0].numpy(), xy)
        mask = given["mask_input"][0, 0].numpy()
        assert np.array_equal(mask, before.low_res_logits.clip(-12, 12))
        assert given["boxes_xyxy_input"] is not None
    assert len(asked) == 3


def test_every_further_correction_is_one_decode_however_many_there_are(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding, prompt = toy.embed(picture()), Prompt(points=(Click(41, 40),))
    counts: list[int] = []
    whole = toy.model.mask_decoder.prompt_state

    def counted(*given: Any, **named: Any) -> Any:
        counts[-1] += 1
        return whole(*given, **named)

    monkeypatch.setattr(toy.model.mask_decoder, "prompt_state", counted)
    for i in range(9):
        counts.append(0)
        toy.predict(embedding, prompt)
        more = Click(20 + 3 * i, 30, i % 2 == 0)
        prompt = replace(prompt, corrections=(*prompt.corrections, more))
    assert counts == [1] * 9


@settings(deadline=None, max_examples=30)
@given(y=st.integers(0, 399), x=st.integers(0, 299), size=st.integers(8, 40))
def test_a_correction_beside_the_window_that_the_prompt_calls_for_lies_in_the_answers_window(
    toy: Predictor, y: int, x: int, size: int
) -> None:
    prompt = Prompt(points=(Click(200, 150),))
    alone = toy.segment(picture(400, 300), prompt, object_size=size)
    where = Click(y, x, True)
    answer = toy.segment(picture(400, 300), replace(prompt, corrections=(where,)), object_size=size)
    assert answer.window.contains(where)
    assert answer.window.contains(prompt.points[0])
    if alone.window.contains(where):
        assert answer.window == alone.window


@settings(deadline=None, max_examples=20)
@given(
    clicks=st.lists(
        st.builds(Click, st.integers(0, 95), st.integers(0, 79), st.booleans()),
        min_size=1,
        max_size=7,
    )
)
def test_corrections_given_one_by_one_or_all_at_once_give_the_same_mask(
    toy: Predictor, clicks: list[Click]
) -> None:
    embedding, at_once = toy.embed(picture()), Predictor(toy_model(), name="toy", dtype="float32")
    prompt = Prompt(points=(Click(40, 40),))
    toy.predict(embedding, prompt)
    for click in clicks:
        prompt = replace(prompt, corrections=(*prompt.corrections, click))
        answer = toy.predict(embedding, prompt)
    again = at_once.predict(embedding, prompt)
    assert np.array_equal(again.logits, answer.logits)
    assert again.score == answer.score


@pytest.mark.parametrize("corrections", [(), (Click(42, 44, False), Click(30, 41, True))])
def test_looking_only_where_the_answer_can_be_changes_no_pixel_of_the_mask(
    corrections: tuple[Click, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere, only_there = (
        Predictor(toy_model(), name="toy", dtype="float32", everywhere=e) for e in (True, False)
    )
    for predictor in (everywhere, only_there):
        # a likely mask in the middle alone: the toy's own is likely everywhere
        bias = torch.full((16, 16), -9.0)
        bias[5:11, 5:11] = 0
        decoder = predictor.model.mask_decoder
        state = decoder.prompt_state

        def nearby(*a: Any, state: Any = state, bias: Any = bias, **k: Any) -> Any:
            found = state(*a, **k)
            return replace(found, low_res_logits=found.low_res_logits.clamp(-1, 1) + bias)

        monkeypatch.setattr(decoder, "prompt_state", nearby)
    prompt = Prompt(points=(Click(40, 40),), corrections=corrections)
    a, b = (p.predict(p.embed(picture()), prompt) for p in (everywhere, only_there))
    there = slice(4 * 4, 12 * 4)
    assert np.allclose(a.logits[there, there], b.logits[there, there], atol=1e-4)
    assert not np.array_equal(a.logits, b.logits)
    assert (b.logits[:8] < 0).all()


def test_after_idle_steps_a_first_correction_makes_the_object_feature_no_more(
    toy_published: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = toy_published
    embedding, prompt = toy.embed(picture()), Prompt(points=(Click(40, 40),))
    corrected = replace(prompt, corrections=(Click(20, 30, True),))
    alone = Predictor(toy_model(again=False), name="toy-published", dtype="float32")
    expected = alone.predict(embedding, corrected).logits
    monkeypatch.setattr(
        "napari_pisam.predict.prompt_decoder.answer_region", lambda *_: Region(4, 4, 5, 5)
    )
    toy.predict(embedding, prompt)
    given_up = toy.ready_steps()
    next(given_up)
    given_up.close()
    assert len(list(toy.ready_steps())) > 4
    monkeypatch.setattr(toy.model.mask_decoder, "object_feature", lambda *_: pytest.fail("made"))
    there = slice(4 * 4, 9 * 4)
    answer = toy.predict(embedding, corrected).logits
    assert np.allclose(answer[there, there], expected[there, there], atol=1e-4)
    assert not list(toy.ready_steps())


def test_nothing_is_made_ready_for_a_correction_that_is_answered_again(toy: Predictor) -> None:
    toy.predict(toy.embed(picture()), Prompt(points=(Click(40, 40),)))
    assert not list(toy.ready_steps())


def test_sams_own_decoder_takes_corrections_as_points(toy_sam: Predictor) -> None:
    embedding = toy_sam.embed(picture())
    prompt = Prompt(points=(Click(40, 40),), corrections=(Click(20, 30, False),))
    corrected = toy_sam.predict(embedding, prompt)
    as_points = replace(prompt, points=(*prompt.points, *prompt.corrections), corrections=())
    assert np.array_equal(corrected.logits, toy_sam.predict(embedding, as_points).logits)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(box=Box(5, 5, 60, 60)),
        Prompt(points=(Click(20, 20), Click(60, 50), Click(5, 5, False))),
        Prompt(mask=PlacedMask(10, 10, np.ones((30, 20), np.bool_))),
        Prompt(
            points=(Click(20, 20),),
            box=Box(5, 5, 60, 60),
            mask=PlacedMask(10, 10, np.ones((30, 20), np.bool_)),
        ),
    ],
    ids=["box", "points", "mask", "all"],
)
def test_boxes_points_and_masks_can_be_mixed(toy: Predictor, prompt: Prompt) -> None:
    assert toy.segment(picture(), prompt).mask.shape == (96, 80)


def test_a_mask_prompt_changes_the_answer_only_by_what_it_covers(toy: Predictor) -> None:
    embedding = toy.embed(picture())
    base = Prompt(points=(Click(40, 40),), mask=PlacedMask(20, 20, np.ones((30, 30), np.bool_)))
    wide = np.zeros((50, 60), np.bool_)
    wide[5:35, 10:40] = True
    same = replace(base, mask=PlacedMask(15, 10, wide))
    other = replace(base, mask=PlacedMask(50, 50, np.ones((20, 20), np.bool_)))
    answers = [toy.predict(embedding, p).logits for p in (base, same, other)]
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    "prompt", [Prompt(), Prompt(points=(Click(3, 3, False),)), Prompt(corrections=(Click(1, 1),))]
)
def test_a_prompt_that_says_nothing_of_where_is_told_so(toy: Predictor, prompt: Prompt) -> None:
    with pytest.raises(ValueError, match="Say where the object is"):
        toy.segment(picture(), prompt)


def test_a_box_far_outside_the_image_is_told_so(toy: Predictor) -> None:
    with pytest.raises(ImageError, match="outside the image"):
        toy.segment(picture(), Prompt(box=Box(9000, 9000, 9010, 9010)))


def test_an_embedding_of_another_model_is_refused(toy: Predictor, toy_sam: Predictor) -> None:
    with pytest.raises(ValueError, match="embed again"):
        toy.predict(toy_sam.embed(picture()), Prompt(points=(Click(4, 4),)))


def test_a_given_object_size_saves_the_looks(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "predict_low_res", lambda *_: pytest.fail("tried a window"))
    result = toy.segment(picture(), Prompt(points=(Click(40, 40),)), object_size=20)
    assert result.window.height == round(np.ceil(20 / toy.search_policy.aim))


@settings(deadline=None, max_examples=15)
@given(
    y=st.integers(0, 95),
    x=st.integers(0, 79),
    side=st.integers(8, 300),
    dy=st.integers(-40, 40),
)
def test_the_mask_lies_inside_the_image_whatever_the_window(
    toy: Predictor, y: int, x: int, side: int, dy: int
) -> None:
    window = Window(y - side // 2 + dy // 4, x - side // 2, side, side)
    if window.inside(96, 80) is None:
        return
    result = _process(toy, picture(), Prompt(points=(Click(y, x),)), window)
    placed = result.placed
    assert min(placed.y, placed.x) >= 0
    assert placed.y + placed.mask.shape[0] <= 96
    assert placed.x + placed.mask.shape[1] <= 80
    assert result.pixel_size == side / 64


def test_a_request_keeps_its_id_and_stops_between_steps(toy: Predictor) -> None:
    from napari_pisam.images.source import ArraySource

    request = SegmentRequest(
        id=17,
        source=ArraySource(picture()),
        intensity=INTENSITY,
        prompt=Prompt(points=(Click(40, 40),)),
        source_key="k",
    )
    cache = EmbeddingCache(10**8)
    steps = Segmenter(toy, cache).steps(request)
    assert next(steps) == "read"
    steps.close()
    assert len(cache) == 0
    result = _process(toy, picture(), Prompt(points=(Click(40, 40),)))
    assert result.request_id == 3


def test_the_cache_holds_no_more_bytes_than_it_may(toy: Predictor) -> None:
    one = toy.embed(picture())
    cache = EmbeddingCache(one.nbytes * 2)
    from napari_pisam.predict.cache import EmbeddingKey

    keys = [EmbeddingKey(str(i), INTENSITY, None, Window(0, 0, 9, 9), "toy") for i in range(4)]
    for key in keys:
        cache.put(key, one)
        assert cache.nbytes <= one.nbytes * 2
    assert cache.get(keys[0]) is None
    assert cache.get(keys[3]) is one


@pytest.mark.parametrize("size", [0, -3.0, float("nan"), float("inf")])
def test_a_size_that_is_no_length_is_told_so(toy: Predictor, size: float) -> None:
    prompt = Prompt(points=(Click(4, 4),))
    with pytest.raises(ValueError, match="a length in pixels above 0"):
        toy.segment(np.zeros((20, 20), np.uint8), prompt, object_size=size)


def test_a_trial_that_sees_something_elsewhere_does_not_lead_away_from_the_prompt() -> None:
    prompt, window = Prompt(points=(Click(2, 2),)), Window(-60, -60, 128, 128)
    logits = np.full((64, 64), -1, np.float32)
    # a speck in what is padded beside the image, and nothing under the click
    logits[1:3, 1:3] = 1
    seen = extent_in(logits, window, prompt.points)
    assert seen is not None
    policy = SearchPolicy()
    assert not window_of(Click(seen.y, seen.x), seen.span, policy).contains(Click(2, 2))
    assert next_window(Trial(window, seen, 0.5), prompt, policy).contains(Click(2, 2))
