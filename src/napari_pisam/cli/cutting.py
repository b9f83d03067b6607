"""Prompts in, masks out: what `segment` and `demo` do with each object. Imports torch."""

from __future__ import annotations

from napari_pisam import zoo
from napari_pisam.cli.messages import write_remark
from napari_pisam.cli.opened import OpenImage
from napari_pisam.geometry import Window
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.predictor import Predictor, load_predictor
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.predict.segmenter import Segmenter
from napari_pisam.prompts import Prompt

# Neighbouring objects often have the same first window.
CACHE_BYTES = 1 << 28


def predictor_for(model: str, *, device: str = "auto", dtype: str = "auto") -> Predictor:
    """The predictor of a model; what the model lacks goes to the remarks, as all warnings do."""
    predictor = load_predictor(model, device=device, dtype=dtype)
    notice = zoo.notice(zoo.ZOO[model]) if model in zoo.ZOO else None
    if notice is not None:
        write_remark(notice)
    return predictor


class Cutter:
    """Cuts objects out of one image with one model, one after the other."""

    def __init__(
        self, predictor: Predictor, image: OpenImage, *, object_size: float | None = None
    ) -> None:
        self.predictor, self.image = predictor, image
        self._object_size = object_size
        self._segmenter = Segmenter(predictor, EmbeddingCache(CACHE_BYTES))

    def cut(self, prompt: Prompt, *, window: Window | None = None) -> SegmentResult:
        """The mask of one object. window: that of an earlier result; None finds it anew."""
        request = SegmentRequest(
            id=0,
            source=self.image.source,
            source_key="",
            prompt=prompt,
            intensity=self.image.intensity,
            channels=self.image.channels,
            object_size=self._object_size,
            window=window,
        )
        return self._segmenter.segment(request)
