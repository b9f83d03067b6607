"""Prompts of one window answered together: the same answers, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam import Box, Click, PlacedMask, Prompt
from napari_pisam.predict import prompt_decoder as decoding
from napari_pisam.predict.predictor import Predictor
from tests.predict.conftest import toy_model

IMAGE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 255, (96, 80), np.uint8)


def clicks(signs: st.SearchStrategy[Any]) -> st.SearchStrategy[Click]:
    return st.builds(Click, st.integers(0, 95), st.integers(0, 79), signs)


def prompts() -> st.SearchStrategy[Prompt]:
    boxes = st.builds(
        lambda y, x, h, w: Box(y, x, y + h, x + w), *(st.integers(1, 40) for _ in range(4))
    )
    masks = st.builds(
        lambda y, x: PlacedMask(y, x, np.ones((20, 25), np.bool_)),
        st.integers(0, 70),
        st.integers(0, 70),
    )
    signed = st.lists(clicks(st.booleans()), max_size=2)
    return st.builds(
        lambda first, more, box, mask, corrections: Prompt(
            points=(first, *more), box=box, mask=mask, corrections=corrections
        ),
        clicks(st.just(True)),
        signed,
        st.none() | boxes,
        st.none() | masks,
        st.lists(clicks(st.none() | st.booleans()), max_size=2),
    )


@pytest.fixture(scope="module")
def one_by_one() -> Predictor:
    """The same model, so that nothing kept from the answers together is found again."""
    return Predictor(toy_model(), name="toy", dtype="float32")


@settings(deadline=None, max_examples=15)
@given(asked=st.lists(prompts(), max_size=6))
def test_answers_given_together_equal_those_given_one_by_one_in_the_order_of_the_prompts(
    toy: Predictor, one_by_one: Predictor, asked: list[Prompt]
) -> None:
    embedding = toy.embed(IMAGE)
    together = toy.predict_many(embedding, asked)
    assert len(together) == len(asked)
    for answer, prompt in zip(together, asked, strict=True):
        alone = one_by_one.predict(embedding, prompt)
        assert answer.prompt == alone.prompt
        assert answer.score == pytest.approx(alone.score, abs=1e-5)
        assert np.allclose(answer.logits, alone.logits, atol=1e-4)


@pytest.mark.parametrize("kind", ["toy", "toy_sam"])
def test_prompts_of_one_kind_go_through_the_decoder_together_but_never_more_than_memory_is_set_for(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor: Predictor = request.getfixturevalue(kind)
    config, sizes = predictor.model.config, []
    whole = predictor.model.mask_decoder.prompt_state

    def counted(*given: Any, sparse: Any, **named: Any) -> Any:
        sizes.append(len(sparse))
        return whole(*given, sparse=sparse, **named)

    monkeypatch.setattr(predictor.model.mask_decoder, "prompt_state", counted)
    monkeypatch.setattr(decoding, "_TOGETHER_VALUES", 3 * config.feature * config.low**2)
    points = [Prompt(points=(Click(30 + i, 40),)) for i in range(7)]
    boxes = [Prompt(box=Box(10 + i, 10, 50, 60)) for i in range(2)]
    predictor.predict_many(predictor.embed(IMAGE), [*points[:5], *boxes, *points[5:]])
    assert sizes == [3, 3, 1, 2]


def test_one_prompt_that_cannot_be_answered_is_told_before_any_is(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = toy.embed(IMAGE)
    monkeypatch.setattr(
        toy.model.mask_decoder, "prompt_state", lambda *_, **__: pytest.fail("decoded")
    )
    with pytest.raises(ValueError, match="Say where the object is"):
        toy.predict_many(embedding, [Prompt(points=(Click(4, 4),)), Prompt()])
