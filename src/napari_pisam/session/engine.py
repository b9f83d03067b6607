"""The only thing that the worker thread runs: from an Ask to an Answer, in steps.

It imports the model (and torch) when the first question comes, so that neither opening a viewer
nor opening the widget waits for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from napari_pisam.images.intensity import IntensityWindow, intensity_window
from napari_pisam.session.answer import Answer
from napari_pisam.session.plane import Ask, ImagePlane

if TYPE_CHECKING:
    from napari_pisam.predict.cache import EmbeddingCache
    from napari_pisam.predict.predictor import Predictor

CACHE_MAX_BYTES = 512 * 2**20
INTENSITIES_KEPT = 64


class Engine:
    """Answers questions with one model.

    load: makes the predictor; called once, in the thread that asks first. It may raise an error
    whose message is one sentence for the user.
    """

    def __init__(
        self, load: Callable[[], Predictor], *, cache_max_bytes: int = CACHE_MAX_BYTES
    ) -> None:
        self._load = load
        self._cache_max_bytes = cache_max_bytes
        self._predictor: Predictor | None = None
        self._cache: EmbeddingCache | None = None
        self._intensities: OrderedDict[str, IntensityWindow] = OrderedDict()

    def prepare(self) -> None:
        """Load the model if it is not yet."""
        if self._predictor is None:
            self._predictor = self._load()

    def idle(self) -> Generator[None, None, None]:
        """Make what a first correction of the latest answer will need, in steps."""
        if self._predictor is not None:
            yield from self._predictor.ready_steps()

    def answer(self, ask: Ask) -> Generator[str, None, Answer]:
        """Answer one question; yields a word before or after each stage.

        Closing it between two words cancels it; what was computed until then is kept.
        """
        if self._predictor is None:
            yield "load"
        predictor = self._predictor = self._predictor or self._load()
        intensity = ask.plane.intensity or self._intensity(ask.plane)
        yield "intensity"
        result = yield from self._process(ask, intensity, predictor)
        return Answer.of(result, ask_id=ask.id, object_size=ask.object_size)

    def _process(
        self, ask: Ask, intensity: IntensityWindow, predictor: Predictor
    ) -> Generator[str, None, Any]:
        from napari_pisam.predict.cache import EmbeddingCache
        from napari_pisam.predict.request import PredictRequest, process

        if self._cache is None:
            self._cache = EmbeddingCache(self._cache_max_bytes)
        request = PredictRequest(
            id=ask.id,
            source=ask.plane.source,
            intensity=intensity,
            prompt=ask.prompt,
            channels=ask.plane.channels,
            object_size=ask.object_size,
            window=ask.window,
            image_key=ask.plane.cache_key,
        )
        return process(request, predictor, self._cache)

    def _intensity(self, plane: ImagePlane) -> IntensityWindow:
        """The percentiles of a plane, taken once."""
        found = self._intensities.get(plane.cache_key)
        if found is None:
            found = intensity_window(plane.source)
            self._intensities[plane.cache_key] = found
            if len(self._intensities) > INTENSITIES_KEPT:
                self._intensities.popitem(last=False)
        return found
