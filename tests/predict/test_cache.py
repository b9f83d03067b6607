"""Embeddings that are kept: found again for the same question, and for no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_pisam import Box, Prompt, Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ArraySource
from napari_pisam.predict.cache import EmbeddingCache, EmbeddingKey
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.segmenter import Segmenter
from tests.predict.conftest import toy_model


def source(seed: int) -> ArraySource:
    pixels = np.random.default_rng(seed).integers(0, 4000, (90, 80, 2)).astype(np.uint16)
    return ArraySource(pixels)


REQUEST = SegmentRequest(
    id=1,
    source=source(0),
    intensity=IntensityWindow((0.0, 0.0), (4000.0, 4000.0)),
    prompt=Prompt(box=Box(10, 10, 50, 50)),
    source_key="one",
    channels=(0,),
    window=Window(0, 0, 70, 70),
)


@pytest.mark.parametrize(
    "change",
    [
        {"source": source(1), "source_key": "other"},
        {"intensity": IntensityWindow((900.0, 900.0), (1500.0, 1500.0))},
        {"channels": (1,)},
        {"channels": None},
        {"window": Window(3, 0, 70, 70)},
    ],
    ids=["image", "intensity", "channel", "all-channels", "window"],
)
def test_another_image_intensity_channel_or_window_is_answered_as_without_a_cache(
    toy: Predictor, change: dict[str, Any]
) -> None:
    cache = EmbeddingCache(10**9)
    before = Segmenter(toy, cache).segment(REQUEST)
    changed = replace(REQUEST, **change)
    found = Segmenter(toy, cache).segment(changed)
    alone = Segmenter(toy, EmbeddingCache(0)).segment(changed)
    assert np.array_equal(found.logits, alone.logits)
    assert not np.array_equal(found.logits, before.logits)
    assert len(cache) == 2


def test_another_model_finds_no_embedding_that_it_did_not_make(toy: Predictor) -> None:
    cache, other = EmbeddingCache(10**9), Predictor(toy_model(), name="other", dtype="float32")
    for predictor in (toy, other):
        assert Segmenter(predictor, cache).segment(REQUEST).model == predictor.name
    assert len(cache) == 2


def test_the_same_window_is_read_and_encoded_once_whatever_is_asked_of_it(
    toy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EmbeddingCache(10**9)
    first = Segmenter(toy, cache).segment(REQUEST)
    monkeypatch.setattr(toy, "embed_steps", lambda *_, **__: pytest.fail("encoded again"))
    again = Segmenter(toy, cache).segment(replace(REQUEST, id=2))
    assert np.array_equal(first.logits, again.logits)
    assert again.request_id == 2
    Segmenter(toy, cache).segment(replace(REQUEST, prompt=Prompt(box=Box(20, 20, 40, 30))))


def test_what_was_not_used_longest_goes_first(toy: Predictor) -> None:
    one = toy.embed(np.zeros((64, 64), np.uint8))
    intensity = IntensityWindow((0.0,), (1.0,))
    keys = [EmbeddingKey(str(i), intensity, None, Window(0, 0, 9, 9), "toy") for i in range(3)]
    cache = EmbeddingCache(2 * one.nbytes)
    cache.put(keys[0], one)
    cache.put(keys[1], one)
    assert cache.get(keys[0]) is one
    cache.put(keys[2], one)
    assert [cache.get(key) is not None for key in keys] == [True, False, True]
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)
