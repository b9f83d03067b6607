"""The only thing that the worker thread runs: from a request to a result, in steps.

It imports the model (and torch) when the first request comes, so that neither opening a viewer
nor opening the widget waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult

if TYPE_CHECKING:
    from napari_pisam.predict.predictor import Predictor
    from napari_pisam.predict.segmenter import Segmenter

CACHE_MAX_BYTES = 512 * 2**20


class Engine:
    """Segments with one model, which it loads when it is first needed.

    load: makes the predictor; called once, in the thread of the first request. It may raise an
    error whose message is one sentence for the user.
    """

    def __init__(
        self, load: Callable[[], Predictor], *, cache_max_bytes: int = CACHE_MAX_BYTES
    ) -> None:
        self._load = load
        self._cache_max_bytes = cache_max_bytes
        self._predictor: Predictor | None = None
        self._segmenter: Segmenter | None = None

    def prepare(self) -> None:
        """Load the model if it is not yet."""
        self._loaded()

    def idle(self) -> Generator[None, None, None]:
        """Make what a first correction of the latest result will need, in steps."""
        if self._predictor is not None:
            yield from self._predictor.ready_steps()

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        """Segment one object; yields the name of each stage, see `Segmenter.steps`.

        The result is prepared for a viewer, which has no time to spare. Closing the generator
        cancels the request; what was computed until then is kept.
        """
        if self._segmenter is None:
            yield "load"
        result = yield from self._loaded().steps(request)
        return result.prepared()

    def _loaded(self) -> Segmenter:
        if self._segmenter is None:
            from napari_pisam.predict.cache import EmbeddingCache
            from napari_pisam.predict.segmenter import Segmenter

            self._predictor = self._load()
            self._segmenter = Segmenter(self._predictor, EmbeddingCache(self._cache_max_bytes))
        return self._segmenter
