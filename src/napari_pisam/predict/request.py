"""One request, one answer: the only thing a worker thread runs."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageSource
from napari_pisam.predict.cache import EmbeddingCache, EmbeddingKey
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.results import Embedding, MaskResult
from napari_pisam.predict.window_search import (
    Look,
    best_look,
    extent_in,
    fitting_window,
    holding,
    known_window,
    look_windows,
    next_window,
)
from napari_pisam.prompts import Prompt


@dataclass(frozen=True, eq=False)
class PredictRequest:
    """What is asked: an image, how its values become grey, a prompt.

    id: handed through to the answer. object_size: the object's longer side in image pixels, if
    known. window: None to choose it from the prompt; else the running object's window.
    image_key: identity of the image plane, for the cache.
    """

    id: int
    source: ImageSource
    intensity: IntensityWindow
    prompt: Prompt
    image_key: str
    channels: tuple[int, ...] | None = None
    object_size: float | None = None
    window: Window | None = None


def process(
    request: PredictRequest, predictor: Predictor, cache: EmbeddingCache
) -> Generator[str, None, MaskResult]:
    """Answer a request, yielding a word after each stage; closing it between two cancels it.

    Raises ValueError and ImageError in one sentence for prompts and images that cannot be used.
    """
    begun = time.perf_counter()
    if request.prompt.empty:
        raise ValueError("Say where the object is first: a click on it, or a box round it.")
    window = request.window
    if window is None:
        window = yield from _find_window(request, predictor, cache)
        # a correction outside would have no effect
        window = holding(window, request.prompt.corrections)
    embedding = yield from _embedding(request, predictor, cache, window)
    result = predictor.predict(embedding, request.prompt)
    yield "decode"
    return replace(result, request_id=request.id, seconds=time.perf_counter() - begun)


def _find_window(
    request: PredictRequest, predictor: Predictor, cache: EmbeddingCache
) -> Generator[str, None, Window]:
    """The window from the prompt, or from looks: at many scales, or one after another."""
    policy, prompt = predictor.looks, request.prompt
    known = known_window(prompt, request.object_size, policy)
    if known is not None:
        return known
    first = predictor.first_window(prompt)
    if not policy.scales:
        return (yield from _one_after_another(request, predictor, cache, first))
    longer = max(request.source.height, request.source.width)
    looks = []
    for window in look_windows(first, prompt, longer, policy):
        look = yield from _look(request, predictor, cache, window)
        looks.append(look)
    best = best_look(looks, policy)
    fitting = fitting_window(best, prompt, policy)
    if fitting is not None:
        return fitting
    following = next_window(best, prompt, policy)
    return (yield from _one_after_another(request, predictor, cache, following))


def _one_after_another(
    request: PredictRequest, predictor: Predictor, cache: EmbeddingCache, window: Window
) -> Generator[str, None, Window]:
    policy = predictor.looks
    for _ in range(policy.looks):
        look = yield from _look(request, predictor, cache, window)
        following = next_window(look, request.prompt, policy)
        if following == window:
            break
        window = following
    return window


def _look(
    request: PredictRequest, predictor: Predictor, cache: EmbeddingCache, window: Window
) -> Generator[str, None, Look]:
    prompt = replace(request.prompt, corrections=())
    embedding = yield from _embedding(request, predictor, cache, window)
    logits, score = predictor.look(embedding, prompt)
    yield "look"
    clicks = tuple(c for c in prompt.points if c.positive)
    return Look(window, extent_in(logits, window, clicks), score)


def _embedding(
    request: PredictRequest, predictor: Predictor, cache: EmbeddingCache, window: Window
) -> Generator[str, None, Embedding]:
    key = EmbeddingKey(
        request.image_key, request.intensity, request.channels, window, predictor.name
    )
    found = cache.get(key)
    if found is None:
        found = yield from predictor.embed_steps(
            request.source, window, request.intensity, channels=request.channels
        )
        cache.put(key, found)
    return found
