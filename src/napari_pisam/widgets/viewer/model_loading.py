"""The model that a session's requests go to, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

from napari_pisam.jobs import ended, one_sentence
from napari_pisam.session.engine import Engine

if TYPE_CHECKING:
    from napari_pisam.predict.predictor import Predictor
    from napari_pisam.predict.request import SegmentRequest
    from napari_pisam.predict.results import SegmentResult


class SegmentEngine(Protocol):
    """What the thread runs: see `session.engine.Engine`."""

    def steps(self, request: SegmentRequest) -> Generator[str, None, SegmentResult]:
        """Segment one object in steps; yields the name of each."""
        ...

    def prepare(self) -> None:
        """Load what the first request needs."""
        ...

    def idle(self) -> Generator[None, None, None]:
        """Work ahead, in steps, for what may be requested after the latest result."""
        ...


def engine_for(model: str) -> Engine:
    """The engine that answers with a model: a name of the zoo, or the path of a weights file."""

    def load() -> Predictor:
        from napari_pisam.predict.predictor import load_predictor

        return load_predictor(model)

    return Engine(load)


def sentence_of(error: Exception) -> str:
    """What to tell the person about an error: its own first sentence, else what kind it is."""
    first = str(error).strip().partition("\n")[0]
    return one_sentence(
        error,
        memory="There is not enough memory for this model: choose a smaller one.",
        otherwise=ended(first or f"The model failed ({type(error).__name__})"),
    )
