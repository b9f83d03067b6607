"""Prompts in, masks out: what `segment` and `demo` do with each object. Imports torch."""

from __future__ import annotations

import warnings

from napari_pisam import zoo
from napari_pisam.cli.messages import remark
from napari_pisam.cli.opened import OpenImage
from napari_pisam.geometry import Window
from napari_pisam.jobs import finish
from napari_pisam.model.loading import IncompleteModelWarning
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.predictor import Predictor, load_predictor
from napari_pisam.predict.request import PredictRequest, process
from napari_pisam.predict.results import MaskResult
from napari_pisam.prompts import Prompt

# Neighbouring objects are often looked at through the same first window.
CACHE_BYTES = 1 << 28


def predictor_for(model: str, *, device: str = "auto", dtype: str = "auto") -> Predictor:
    """The predictor of a model; what the model lacks is told as remarks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", IncompleteModelWarning)
        predictor = load_predictor(model, device=device, dtype=dtype)
    for warning in caught:
        remark(str(warning.message))
    notice = zoo.notice(zoo.ZOO[model]) if model in zoo.ZOO else None
    if notice is not None:
        remark(notice)
    return predictor


class Cutter:
    """Cuts objects out of one image with one model, one after the other."""

    def __init__(
        self, predictor: Predictor, image: OpenImage, *, object_size: float | None = None
    ) -> None:
        self.predictor, self.image = predictor, image
        self._object_size = object_size
        self._cache = EmbeddingCache(CACHE_BYTES)

    def cut(self, prompt: Prompt, *, window: Window | None = None) -> MaskResult:
        """The mask of one object. window: that of an earlier answer; None finds it anew."""
        request = PredictRequest(
            id=0,
            source=self.image.source,
            intensity=self.image.intensity,
            prompt=prompt,
            image_key="",
            channels=self.image.channels,
            object_size=self._object_size,
            window=window,
        )
        return finish(process(request, self.predictor, self._cache))
