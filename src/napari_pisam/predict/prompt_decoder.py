"""From an embedding and a prompt to logits; keeps what the next correction will need again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_pisam.geometry import Window, WindowGrid
from napari_pisam.model.cells import cut, grown, strips
from napari_pisam.model.decoder import PromptState
from napari_pisam.model.deform import Region
from napari_pisam.model.pisam import PiSam
from napari_pisam.model.region import (
    HEAD_MARGIN,
    answer_region,
    head_on,
    laid_over,
    object_feature_on,
)
from napari_pisam.predict.prompt_embedding import PromptEmbedder
from napari_pisam.predict.results import Embedding
from napari_pisam.prompts import Click, Prompt

STATES_KEPT = 4
READY_STEPS = 8
_TOGETHER_VALUES = 2**23
"""Mask features of prompts that are decoded together, in values; all else is a few times that."""


@dataclass(eq=False)
class Decoded:
    """What is known before the interactor: SAM's answers and the low-resolution mask.

    object_feature: the whole window's, made when something first needs it.
    """

    state: PromptState
    score: float
    object_feature: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Logits:
    """high: float32 (S, S); low: float32 (L, L); score 0..1."""

    high: NDArray[np.float32]
    low: NDArray[np.float32]
    score: float


class PromptDecoder:
    """Decodes prompts in windows with one model; not for use by two threads at once.

    everywhere: evaluate the high-resolution modules on the whole window, not only where the
    answer can be.
    """

    def __init__(
        self, model: PiSam, *, device: torch.device, dtype: torch.dtype, everywhere: bool = False
    ) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        self.everywhere = everywhere
        self._decoded: OrderedDict[tuple[int, Prompt], tuple[Embedding, Decoded]] = OrderedDict()
        self._together = 0
        self._embedder = PromptEmbedder(model, device)
        self._pe = model.dense_pe()
        self._again = model.config.answers_again and model.mask_decoder.interacts

    def autocast(self) -> torch.autocast:
        """The policy's number format, for what is all convolutions over the mask feature.

        SAM's transformer, the interactor and the head stay float32: on real images bfloat16 there
        moved outlines, IoU down to 0.98, and saved next to nothing.
        """
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def low_res(self, embedding: Embedding, prompt: Prompt) -> tuple[NDArray[np.float32], float]:
        """SAM's own low-resolution logits, float32 (L, L), and its score."""
        with torch.inference_mode():
            state = self._state(embedding, [prompt], window=None)
        best, score = self._best(state, prompt)
        return state.sam_logits[0, best].float().cpu().numpy(), score

    def _state(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        *,
        window: Tensor | None,
        previous: Tensor | None = None,
    ) -> PromptState:
        """SAM's answers to prompts of one kind. window: the feature for the high-resolution path.

        previous: (B, 1, L, L), low-resolution logits in place of the prompts' masks.
        """
        sparse, dense = self._embedder.embed(prompts, embedding.window, previous=previous)
        state: PromptState = self.model.mask_decoder.prompt_state(
            embedding.embedding, window, image_pe=self._pe, sparse=sparse, dense=dense
        )
        return state

    def _best(self, state: PromptState, prompt: Prompt) -> tuple[int, float]:
        """Which of SAM's masks answers: of one click the best of three, else the first."""
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.mask is None
        best = int(state.iou[0, 1:].argmax()) + 1 if ambiguous else 0
        return best, float(state.iou[0, best].clamp(0, 1))

    def _own(self, prompt: Prompt) -> Prompt:
        """The part of a prompt that no correction changes; for SAM all are points."""
        if prompt.corrections and not self.model.mask_decoder.interacts:
            return _all_points(prompt)
        return replace(prompt, corrections=())

    def decoded(self, embedding: Embedding, prompt: Prompt) -> Decoded:
        """Everything before the interactor, kept for the few latest prompts.

        That depends on no correction, unless the model answers again: then the answer before the
        last correction is a mask prompt, and so on back to the prompt without any.
        """
        steps = [self._own(prompt)]
        if self._again:
            count = len(prompt.corrections)
            steps += [
                replace(prompt, corrections=prompt.corrections[: i + 1]) for i in range(count)
            ]
        # from the longest part that is known: to go through all of them would drive it out
        done = next((i for i in reversed(range(len(steps))) if self._has(embedding, steps[i])), -1)
        if done < 0:
            self._keep(embedding, steps[:1])
            done = 0
        found = self._newest(embedding, steps[done])
        for part in steps[done + 1 :]:
            with torch.inference_mode():
                state = self._state(
                    embedding,
                    [_all_points(part)],
                    window=embedding.window_feature,
                    previous=found.state.low_res_logits,
                )
            later = Decoded(state, float(state.iou[0, 0].clamp(0, 1)))
            self._decoded[id(embedding), part] = (embedding, later)
            found = self._newest(embedding, part)
        return found

    def _has(self, embedding: Embedding, prompt: Prompt) -> bool:
        return (id(embedding), prompt) in self._decoded

    def _newest(self, embedding: Embedding, prompt: Prompt) -> Decoded:
        """The one asked for last; the oldest go."""
        self._decoded.move_to_end((id(embedding), prompt))
        while len(self._decoded) > STATES_KEPT + self._together:
            self._decoded.popitem(last=False)
        return self._decoded[id(embedding), prompt][1]

    def groups(self, prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """Which of the prompts are decoded together: of one kind, as many as memory is set for."""
        values = self.model.config.feature * self.model.config.low**2
        most = max(_TOGETHER_VALUES // values, 1)
        kinds: dict[Hashable, list[int]] = {}
        for i, prompt in enumerate(prompts):
            kinds.setdefault(_kind(self._own(prompt)), []).append(i)
        for alike in kinds.values():
            for start in range(0, len(alike), most):
                yield alike[start : start + most]

    @contextmanager
    def together(self, embedding: Embedding, prompts: Sequence[Prompt]) -> Iterator[None]:
        """Decode a group of prompts in one pass; within, each finds its own part done."""
        own = dict.fromkeys(self._own(p) for p in prompts)
        self._decoded.clear()
        self._keep(embedding, list(own))
        self._together = len(own)
        try:
            yield
        finally:
            self._together = 0

    def _keep(self, embedding: Embedding, own: Sequence[Prompt]) -> None:
        with torch.inference_mode():
            together = self._state(embedding, own, window=embedding.window_feature)
            for i, prompt in enumerate(own):
                state = _one_of(together, i)
                best, score = self._best(state, prompt)
                if self.model.kind != "pi":
                    low = self.model.mask_decoder.best_low_res(state, multimask=best > 0)
                    state = replace(state, low_res_logits=low)
                # the embedding is held too, so that its id cannot be given to another meanwhile
                self._decoded[id(embedding), prompt] = (embedding, Decoded(state, score))

    def logits(self, embedding: Embedding, prompt: Prompt) -> Logits:
        """The answer to a prompt and its corrections, whose signs must all be told."""
        done = self.decoded(embedding, prompt)
        low = done.state.low_res_logits
        with torch.inference_mode():
            if self.model.kind != "pi":
                high = self._upsampled(low)
            else:
                corrections = prompt.corrections if self.model.mask_decoder.interacts else ()
                region = None if self.everywhere else self._region(done, embedding, prompt)
                high = self._high(done, embedding, corrections=corrections, region=region)
        return Logits(_array(high), _array(low), done.score)

    def ready_steps(self) -> Generator[None, None, None]:
        """Make, a few rows at a time, what a first correction of the latest prompt will need.

        Nothing where a correction is answered again: what it needs follows from it.
        """
        if not self._decoded or self._again or not self.model.mask_decoder.interacts:
            return
        done = next(reversed(self._decoded.values()))[1]
        if done.object_feature is not None:
            return
        side, embedder = self.model.config.low, self.model.mask_decoder.mask_aspp
        with torch.inference_mode(), self.autocast():
            start = self._start(done)
        parts = []
        for strip in strips(Region(0, 0, side, side), max(side // READY_STEPS, 1)):
            yield
            # the mode is the thread's: it must not be left on while the generator is away
            with torch.inference_mode(), self.autocast():
                parts.append(object_feature_on(embedder, start, strip).float())
        with torch.inference_mode():
            done.object_feature = torch.cat(parts, 2)

    def _region(self, done: Decoded, embedding: Embedding, prompt: Prompt) -> Region | None:
        grid = WindowGrid(embedding.window, self.model.config.window)
        xy = torch.from_numpy(grid.points_xy_unit((*prompt.points, *prompt.corrections)))
        return answer_region(done.state.low_res_logits, xy)

    def _high(
        self,
        done: Decoded,
        embedding: Embedding,
        *,
        corrections: tuple[Click, ...],
        region: Region | None,
    ) -> Tensor:
        """High-resolution logits (1, 1, S, S); with a region, the low-resolution ones outside."""
        decoder, side = self.model.mask_decoder, self.model.config.low
        whole = Region(0, 0, side, side)
        region = region or whole
        margins = grown(region, HEAD_MARGIN, side)
        if corrections:
            feature = self._corrected(
                done, embedding.window, corrections=corrections, region=margins
            )
        elif region == whole or done.object_feature is not None:
            feature = cut(self._object_feature(done), margins)
        else:
            with self.autocast():
                start = self._start(done)
                feature = object_feature_on(decoder.mask_aspp, start, margins).float()
        pixels = torch.from_numpy(embedding.pixels).to(self.device).permute(2, 0, 1)[None]
        part = head_on(decoder, feature, pixels, region=region, margins=margins)
        if region == whole:
            return part
        low = done.state.low_res_logits
        return laid_over(low, part, region, size=self.model.config.window)

    def _start(self, done: Decoded) -> Tensor:
        state = done.state
        assert state.mask_feature is not None  # a decoder of kind "pi" makes it
        x: Tensor = self.model.mask_decoder.mask_aspp.start(
            state.mask_feature, state.low_res_logits
        )
        return x

    def _object_feature(self, done: Decoded) -> Tensor:
        """The whole window's, float32, made once."""
        if done.object_feature is None:
            with self.autocast():
                feature = self.model.mask_decoder.object_feature(done.state)
            done.object_feature = feature.float()
        return done.object_feature

    def _corrected(
        self, done: Decoded, window: Window, *, corrections: tuple[Click, ...], region: Region
    ) -> Tensor:
        """The corrected object feature of a region; the interactor looks at the whole window."""
        grid = WindowGrid(window, self.model.config.window)
        xy = torch.from_numpy(grid.points_xy_unit(corrections))[None].to(self.device)
        signs = torch.tensor([[int(bool(c.positive)) for c in corrections]], device=self.device)
        feature: Tensor = self.model.mask_decoder.correct(
            self._object_feature(done),
            done.state,
            clicks_xy_unit=xy,
            click_labels=signs,
            region=region,
        )
        return feature

    def _upsampled(self, low: Tensor) -> Tensor:
        size = (self.model.config.window,) * 2
        return torch.nn.functional.interpolate(low.float(), size, mode="bilinear")


def _all_points(prompt: Prompt) -> Prompt:
    """The corrections as points beside the prompt's own."""
    return replace(prompt, points=(*prompt.points, *prompt.corrections), corrections=())


def _kind(prompt: Prompt) -> Hashable:
    """Prompts of one kind have as many tokens each."""
    return len(prompt.points), prompt.box is not None, prompt.mask is not None


def _one_of(together: PromptState, index: int) -> PromptState:
    one: dict[str, Any] = {}
    for field in fields(together):
        part: Tensor | None = getattr(together, field.name)
        one[field.name] = None if part is None else part[index : index + 1]
    return PromptState(**one)


def _array(logits: Tensor) -> NDArray[np.float32]:
    return logits[0, 0].float().cpu().numpy()
