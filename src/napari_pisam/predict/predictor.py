"""Segment by pointing, from Python: numpy in, numpy out."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_pisam import zoo
from napari_pisam.geometry import Window, WindowGrid, square_window
from napari_pisam.images.intensity import IntensityWindow, intensity_window, to_rgb8
from napari_pisam.images.resample import window_input
from napari_pisam.images.source import ImageError, ImageSource, as_source, best_level
from napari_pisam.jobs import finish, within, yielding
from napari_pisam.model.attention import accelerate_encoder, encode_steps
from napari_pisam.model.encoders.lite import LiteEncoder
from napari_pisam.model.layers import normalise
from napari_pisam.model.loading import load_model
from napari_pisam.model.pisam import PiSam, lay_channels_last
from napari_pisam.model.policy import channels_last_pay, choose_device, choose_dtype
from napari_pisam.model.sam import ImageEncoderViT
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.prompt_decoder import PromptDecoder
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import Embedding, SegmentResult
from napari_pisam.predict.segmenter import Segmenter
from napari_pisam.predict.window_search import LIGHT_SEARCH, SearchPolicy
from napari_pisam.prompts import Click, Prompt, points_span, prompt_centre

# A logit of what is certainly no object.
NOTHING = -20.0

__all__ = ["Embedding", "Predictor", "SegmentResult", "load_predictor"]


def load_predictor(
    name: str | Path = zoo.DEFAULT_MODEL, *, device: str = "auto", dtype: str = "auto"
) -> Predictor:
    """A predictor with the weights of a model.

    name: of the zoo (see `pisam models list`), or the path of a weights file. device: "auto",
    "cpu", "cuda", "cuda:1", "mps". dtype: "auto", "float32", "bfloat16", "float16". Raises
    ModelNotFoundError or CheckpointError, whose sentence says what to do.
    """
    path = zoo.resolve(name)
    label = name if isinstance(name, str) and name in zoo.ZOO else path.name
    return Predictor(load_model(path), name=str(label), device=device, dtype=dtype)


class Predictor:
    """One model, ready to answer. The model is changed for inference: it can be trained no more.

    window_size: side of the square that the model sees, pixels. search_policy: how the window is
    found.
    everywhere: run the high-resolution modules on the whole window even where the object cannot
    be. Not for use by two threads at once.
    """

    def __init__(
        self,
        model: PiSam,
        *,
        name: str,
        device: str = "auto",
        dtype: str = "auto",
        everywhere: bool = False,
    ) -> None:
        chosen = choose_device(device)
        self._dtype = choose_dtype(dtype, chosen)
        self.name, self.device = name, str(chosen)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self.model = model.to(chosen).eval()
        if isinstance(model.image_encoder, ImageEncoderViT):
            accelerate_encoder(model.image_encoder, dtype=self._dtype)
        elif isinstance(model.image_encoder, LiteEncoder):
            model.image_encoder.fold_norms()
        if channels_last_pay(chosen):
            lay_channels_last(self.model)
        self.window_size = model.config.window
        light = model.config.encoder.kind == "lite"
        self.search_policy = LIGHT_SEARCH if light else SearchPolicy()
        self._decoder = PromptDecoder(
            self.model, device=chosen, dtype=self._dtype, everywhere=everywhere
        )
        self._device = chosen

    def first_window(self, prompt: Prompt) -> Window:
        """Where a prompt that gives no size is tried first: at native resolution."""
        centre = prompt_centre(prompt)
        side = max(float(self.window_size), 2 * points_span(prompt))
        return square_window(centre.y, centre.x, side)

    def embed(
        self,
        image: Any,
        window: Window | None = None,
        intensity: IntensityWindow | None = None,
        *,
        channels: tuple[int, ...] | None = None,
    ) -> Embedding:
        """Encode one window, for any number of prompts.

        image: (H, W) or (H, W, C) of any dtype, channels last, or an ImageSource. window: None
        takes the smallest square that holds the whole image. intensity: None takes the image's
        percentiles. channels: which become red, green, blue. Raises ImageError for what is no
        image, ValueError for a window wholly outside.
        """
        source = as_source(image)
        if window is None:
            side = max(source.height, source.width)
            window = square_window((source.height - 1) / 2, (source.width - 1) / 2, side)
        if intensity is None:
            intensity = intensity_window(source)
        steps = self.embed_steps(source, window, intensity, channels=channels)
        return finish(steps)

    def embed_steps(
        self,
        source: ImageSource,
        window: Window,
        intensity: IntensityWindow,
        *,
        channels: tuple[int, ...] | None = None,
    ) -> Generator[str, None, Embedding]:
        """`embed` in steps, yielding a word after each; closing it between two cancels it."""
        pixels, blank = self._read(source, window, intensity, channels=channels)
        yield "read"
        embedding, early = yield from self._encode(pixels)
        with torch.inference_mode(), self._decoder.autocast():
            feature = None
            if self.model.kind != "sam":
                feature = self.model.mask_decoder.window_feature(embedding, early)
        yield "encode"
        return Embedding(
            window=window,
            pixels=pixels,
            embedding=embedding,
            window_feature=feature,
            intensity=intensity,
            image_height=source.height,
            image_width=source.width,
            model=self.name,
            blank=blank,
        )

    def _encode(self, pixels: Any) -> Generator[str, None, tuple[Tensor, Tensor]]:
        """Embedding and early features, yielding after each block of a ViT."""
        there = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None]
        encoder = self.model.image_encoder
        if not isinstance(encoder, ImageEncoderViT):
            # forty layers of bfloat16 in a row move outlines: this one is light enough without
            with torch.inference_mode():
                embedding, early = self.model.encode(normalise(there))
            return embedding, early
        steps = within(torch.inference_mode, encode_steps(encoder, normalise(there)))
        return (yield from yielding("block", steps))

    def _read(
        self,
        source: ImageSource,
        window: Window,
        intensity: IntensityWindow,
        *,
        channels: tuple[int, ...] | None,
    ) -> tuple[NDArray[np.uint8], bool]:
        """The window's pixels as the model's input, and whether they all have one colour."""
        inside = window.inside(source.height, source.width)
        if inside is None:
            raise ImageError(
                f"The prompt lies outside the image, which has {source.height} rows and "
                f"{source.width} columns: click inside it."
            )
        level = best_level(source, WindowGrid(window, self.window_size).pixel_size[0])
        shown = to_rgb8(source.read(replace(inside, level=level)), intensity, channels=channels)
        blank = bool((shown == shown[:1, :1]).all())
        return window_input(shown, window, inside, size=self.window_size), blank

    def predict(
        self, embedding: Embedding, prompt: Prompt, *, previous: SegmentResult | None = None
    ) -> SegmentResult:
        """Answer a prompt in an embedded window; corrections cost only their own part.

        prompt: image pixels. A correction with positive=None means the opposite of the mask that
        the ones before it gave. previous: the answer without the last correction, if at hand; it
        saves making it again. Raises ValueError for a prompt that says nothing of where.
        """
        begun = time.perf_counter()
        self._check(embedding, prompt)
        prompt = self.signed(embedding, prompt, previous)
        high, low, score = self._logits(embedding, prompt)
        return SegmentResult(
            request_id=0,
            window=embedding.window,
            logits=high,
            low_res_logits=low,
            score=score,
            image_height=embedding.image_height,
            image_width=embedding.image_width,
            prompt=prompt,
            intensity=embedding.intensity,
            model=self.name,
            device=self.device,
            seconds=time.perf_counter() - begun,
            blank=embedding.blank,
        )

    def _logits(
        self, embedding: Embedding, prompt: Prompt
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Logits of the window, the low-resolution ones, the score; of a blank one: no object."""
        if embedding.blank:
            high = np.full((self.window_size, self.window_size), NOTHING, np.float32)
            return high, np.full_like(high[::4, ::4], NOTHING), 0.0
        found = self._decoder.logits(embedding, prompt)
        return found.high, found.low, found.score

    def predict_many(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[SegmentResult]:
        """Answer many prompts in one embedded window: one answer each, in their order.

        The same answers as `predict` gives one by one, up to rounding; prompts of one kind (as
        many points, a box or none, a mask or none) go through SAM's decoder together. Raises
        ValueError as `predict` does, before anything is computed.
        """
        for prompt in prompts:
            self._check(embedding, prompt)
        results: dict[int, SegmentResult] = {}
        for group in self._decoder.groups(prompts):
            with self._decoder.together(embedding, [prompts[i] for i in group]):
                results.update((i, self.predict(embedding, prompts[i])) for i in group)
        return [results[i] for i in range(len(prompts))]

    def ready_steps(self) -> Generator[None, None, None]:
        """Make what a first correction of the latest answer needs, in steps; for idle moments.

        Closing it between two steps drops what was made; the correction then makes it.
        """
        return self._decoder.ready_steps()

    def _check(self, embedding: Embedding, prompt: Prompt) -> None:
        if prompt.empty:
            raise ValueError("Say where the object is first: a click on it, or a box round it.")
        if embedding.model != self.name:
            raise ValueError(
                f"This embedding was made by {embedding.model}, not by {self.name}: embed again."
            )

    def signed(
        self, embedding: Embedding, prompt: Prompt, previous: SegmentResult | None = None
    ) -> Prompt:
        """The prompt with every correction's sign: the opposite of the mask under it."""
        signed: tuple[Click, ...] = ()
        for click in prompt.corrections:
            if click.positive is None:
                before = replace(prompt, corrections=signed)
                same = previous is not None and previous.prompt == before
                known = previous if same else self.predict(embedding, before)
                assert known is not None
                click = replace(click, positive=not known.covers(click))
            signed = (*signed, click)
        return replace(prompt, corrections=signed)

    def segment(
        self, image: Any, prompt: Prompt, *, object_size: float | None = None
    ) -> SegmentResult:
        """Cut one object out of an image of any size.

        image: as for `embed`. prompt: image pixels. object_size: the object's longer side in
        image pixels where it is known; saves the trials that find it. The window is chosen from
        the prompt and recorded in the result. Raises ImageError and ValueError in one sentence.
        """
        if object_size is not None and not 0 < object_size < float("inf"):
            raise ValueError(f"An object's size is a length in pixels above 0, not {object_size}.")
        source = as_source(image)
        request = SegmentRequest(
            id=0, source=source, source_key="", prompt=prompt, object_size=object_size
        )
        # nothing is kept: another image would be taken for this one
        return Segmenter(self, EmbeddingCache(0)).segment(request)

    def predict_low_res(
        self, embedding: Embedding, prompt: Prompt
    ) -> tuple[NDArray[np.float32], float]:
        """SAM's own low-resolution logits, float32 (L, L), and its estimate of their IoU."""
        if embedding.blank:
            return self._logits(embedding, prompt)[1:]
        return self._decoder.low_res(embedding, prompt)
