"""From a request to a result: the window is chosen, encoded, and the prompt decoded in it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow, intensity_window
from napari_pisam.images.source import ImageSource
from napari_pisam.jobs import finish
from napari_pisam.predict.cache import EmbeddingCache, EmbeddingKey
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import Embedding, SegmentResult
from napari_pisam.predict.window_search import (
    SearchPolicy,
    Trial,
    best_trial,
    extent_in,
    fitting_window,
    holding,
    known_window,
    next_window,
    trial_windows,
)
from napari_pisam.prompts import Prompt

INTENSITIES_KEPT = 64


class WindowModel(Protocol):
    """What a segmenter needs of a model, one window at a time: see `predictor.Predictor`."""

    name: str
    search_policy: SearchPolicy

    def first_window(self, prompt: Prompt) -> Window:
        """Where a prompt that does not give the object's size is tried first."""
        ...

    def embed_steps(
        self,
        source: ImageSource,
        window: Window,
        intensity: IntensityWindow,
        *,
        channels: tuple[int, ...] | None = None,
    ) -> Generator[str, None, Embedding]:
        """Encode a window in steps."""
        ...

    def predict(self, embedding: Embedding, prompt: Prompt) -> SegmentResult:
        """The mask of a prompt in an encoded window."""
        ...

    def predict_low_res(
        self, embedding: Embedding, prompt: Prompt
    ) -> tuple[NDArray[np.float32], float]:
        """A quick mask, logits (L, L), and the model's own estimate of its IoU."""
        ...


class Segmenter:
    """Segments objects with one model, and keeps what the next request may need again.

    cache: encoded windows, by the request's source_key among others; percentiles of a source are
    kept by it too. Not for use by two threads at once.
    """

    def __init__(self, predictor: WindowModel, cache: EmbeddingCache) -> None:
        self.predictor, self.cache = predictor, cache
        self._intensities: OrderedDict[str, IntensityWindow] = OrderedDict()

    def segment(self, request: SegmentRequest) -> SegmentResult:
        """The result of a request; raises as `steps` does."""
        return finish(self.steps(request))

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        """Segment an object, yielding the name of each stage after it.

        Closing the generator between two stages cancels the request; what was encoded until then
        is kept. Raises ValueError and ImageError in one sentence for prompts and images that
        cannot be used.
        """
        begun = time.perf_counter()
        if request.prompt.empty:
            raise ValueError("Say where the object is first: a click on it, or a box round it.")
        intensity = request.intensity
        if intensity is None:
            intensity = self._percentiles(request)
            yield "intensity"
        window = request.window
        if window is None:
            window = yield from self._find_window(request, intensity)
            # a correction outside would have no effect
            window = holding(window, request.prompt.corrections)
        embedding = yield from self._embedding(request, intensity, window)
        result = self.predictor.predict(embedding, request.prompt)
        yield "decode"
        seconds = time.perf_counter() - begun
        return replace(
            result, request_id=request.id, object_size=request.object_size, seconds=seconds
        )

    def _find_window(
        self, request: SegmentRequest, intensity: IntensityWindow
    ) -> Generator[str, None, Window]:
        """The window from the prompt, or from trials: at many scales, or one after another."""
        policy, prompt = self.predictor.search_policy, request.prompt
        known = known_window(prompt, request.object_size, policy)
        if known is not None:
            return known
        first = self.predictor.first_window(prompt)
        if not policy.scales:
            return (yield from self._one_after_another(request, intensity, first))
        longer = max(request.source.height, request.source.width)
        trials = []
        for window in trial_windows(first, prompt, longer, policy=policy):
            trial = yield from self._trial(request, intensity, window)
            trials.append(trial)
        best = best_trial(trials, policy)
        fitting = fitting_window(best, prompt, policy)
        if fitting is not None:
            return fitting
        following = next_window(best, prompt, policy)
        return (yield from self._one_after_another(request, intensity, following))

    def _one_after_another(
        self, request: SegmentRequest, intensity: IntensityWindow, window: Window
    ) -> Generator[str, None, Window]:
        policy = self.predictor.search_policy
        for _ in range(policy.trials):
            trial = yield from self._trial(request, intensity, window)
            following = next_window(trial, request.prompt, policy)
            if following == window:
                break
            window = following
        return window

    def _trial(
        self, request: SegmentRequest, intensity: IntensityWindow, window: Window
    ) -> Generator[str, None, Trial]:
        prompt = replace(request.prompt, corrections=())
        embedding = yield from self._embedding(request, intensity, window)
        logits, score = self.predictor.predict_low_res(embedding, prompt)
        yield "trial"
        clicks = tuple(c for c in prompt.points if c.positive)
        return Trial(window, extent_in(logits, window, clicks), score, embedding.blank)

    def _embedding(
        self, request: SegmentRequest, intensity: IntensityWindow, window: Window
    ) -> Generator[str, None, Embedding]:
        key = EmbeddingKey(
            request.source_key, intensity, request.channels, window, self.predictor.name
        )
        found = self.cache.get(key)
        if found is None:
            found = yield from self.predictor.embed_steps(
                request.source, window, intensity, channels=request.channels
            )
            self.cache.put(key, found)
        return found

    def _percentiles(self, request: SegmentRequest) -> IntensityWindow:
        """The percentiles of a source, taken once."""
        found = self._intensities.get(request.source_key)
        if found is None:
            found = intensity_window(request.source)
            self._intensities[request.source_key] = found
            if len(self._intensities) > INTENSITIES_KEPT:
                self._intensities.popitem(last=False)
        return found
