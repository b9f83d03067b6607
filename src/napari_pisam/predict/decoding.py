"""From an embedding and a prompt to logits; keeps what the next correction will need again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_pisam.geometry import Window, box_xyxy_input, points_xy_input, points_xy_unit
from napari_pisam.images.resample import logits_at_image
from napari_pisam.model.decoder import PromptState
from napari_pisam.model.deform import Region
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.model.region import (
    HEAD_MARGIN,
    answer_region,
    cut,
    grown,
    head_on,
    laid_over,
    object_feature_on,
)
from napari_pisam.predict.results import Embedding
from napari_pisam.prompts import Click, Prompt

STATES_KEPT = 4
MASK_LOGIT = 6.0
"""Logit that stands for a painted pixel of a mask prompt."""


@dataclass(eq=False)
class Decoded:
    """What a prompt alone decides: SAM's answers and the low-resolution mask.

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
        self._pe = model.dense_pe()

    def autocast(self) -> torch.autocast:
        """The number format of the policy."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def embed_prompt(self, prompt: Prompt, window: Window) -> tuple[Tensor, Tensor]:
        """Sparse (1, N, dim) and dense (1, dim, g, g) embeddings of a prompt's own part."""
        size, low = self.model.config.window, self.model.config.low
        points = labels = boxes = mask = None
        if prompt.points:
            xy = points_xy_input(window, prompt.points, size)
            points = torch.from_numpy(xy)[None].to(self.device)
            labels = torch.tensor(
                [[int(bool(c.positive)) for c in prompt.points]], device=self.device
            )
        if prompt.box is not None:
            boxes = torch.from_numpy(box_xyxy_input(window, prompt.box, size))[None].to(self.device)
        if prompt.mask is not None:
            mask = torch.from_numpy(mask_logits(prompt, window, low))[None, None].to(self.device)
        return self.model.encode_prompts(
            boxes_xyxy_input=boxes, points_xy_input=points, point_labels=labels, mask_input=mask
        )

    def look(self, embedding: Embedding, prompt: Prompt) -> tuple[NDArray[np.float32], float]:
        """SAM's own low-resolution answer, float32 (L, L), and its score."""
        with torch.inference_mode(), self.autocast():
            state = self._state(embedding, prompt, None)
        best, score = self._best(state, prompt)
        return state.sam_logits[0, best].float().cpu().numpy(), score

    def _state(self, embedding: Embedding, prompt: Prompt, window: Tensor | None) -> PromptState:
        sparse, dense = self.embed_prompt(prompt, embedding.window)
        state: PromptState = self.model.mask_decoder.prompt_state(
            embedding.embedding, window, image_pe=self._pe, sparse=sparse, dense=dense
        )
        return state

    def _best(self, state: PromptState, prompt: Prompt) -> tuple[int, float]:
        """Which of SAM's masks answers: of one click the best of three, else the first."""
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.mask is None
        best = int(state.iou[0, 1:].argmax()) + 1 if ambiguous else 0
        return best, float(state.iou[0, best].clamp(0, 1))

    def decoded(self, embedding: Embedding, prompt: Prompt) -> Decoded:
        """Everything that no correction changes, kept for the few latest prompts."""
        key = (id(embedding), replace(prompt, corrections=()))
        if key in self._decoded:
            self._decoded.move_to_end(key)
            return self._decoded[key][1]
        with torch.inference_mode(), self.autocast():
            state = self._state(embedding, prompt, embedding.window_feature)
            best, score = self._best(state, prompt)
            if self.model.kind != "pi":
                low = self.model.mask_decoder.best_low_res(state, multimask=best > 0)
                state = replace(state, low_res_logits=low)
        answer = Decoded(state, score)
        # the embedding is held with it, so that its id cannot be given to another one meanwhile
        self._decoded[key] = (embedding, answer)
        while len(self._decoded) > STATES_KEPT:
            self._decoded.popitem(last=False)
        return answer

    def logits(self, embedding: Embedding, prompt: Prompt) -> Logits:
        """The answer to a prompt and its corrections, whose signs must all be told."""
        decoder = self.model.mask_decoder
        if prompt.corrections and not decoder.interacts:
            prompt = replace(prompt, points=prompt.points + prompt.corrections, corrections=())
        done = self.decoded(embedding, prompt)
        low = done.state.low_res_logits
        with torch.inference_mode(), self.autocast():
            if self.model.kind != "pi":
                high = self._upsampled(low)
            else:
                region = None if self.everywhere else self._region(done, embedding, prompt)
                high = self._high(done, embedding, prompt.corrections, region)
        return Logits(_array(high), _array(low), done.score)

    def _region(self, done: Decoded, embedding: Embedding, prompt: Prompt) -> Region | None:
        said = (*prompt.points, *prompt.corrections)
        xy = torch.from_numpy(points_xy_unit(embedding.window, said))
        return answer_region(done.state.low_res_logits, xy)

    def _high(
        self,
        done: Decoded,
        embedding: Embedding,
        corrections: tuple[Click, ...],
        region: Region | None,
    ) -> Tensor:
        """High-resolution logits (1, 1, S, S); with a region, the low-resolution ones outside."""
        decoder, side = self.model.mask_decoder, self.model.config.low
        whole = Region(0, 0, side, side)
        region = region or whole
        margins = grown(region, HEAD_MARGIN, side)
        if corrections:
            # the interactor's tokens look at the whole window
            feature = cut(self._corrected(done, embedding.window, corrections), margins)
        elif region == whole or done.object_feature is not None:
            feature = cut(self._object_feature(done), margins)
        else:
            feature = object_feature_on(decoder.mask_aspp, done.state, margins)
        pixels = self._normalised(embedding)
        part = head_on(decoder, feature, pixels, region=region, margins=margins)
        if region == whole:
            return part
        low = done.state.low_res_logits
        return laid_over(low, part, region, self.model.config.window)

    def _object_feature(self, done: Decoded) -> Tensor:
        if done.object_feature is None:
            done.object_feature = self.model.mask_decoder.object_feature(done.state)
        return done.object_feature

    def _corrected(self, done: Decoded, window: Window, corrections: tuple[Click, ...]) -> Tensor:
        xy = torch.from_numpy(points_xy_unit(window, corrections))[None].to(self.device)
        signs = torch.tensor([[int(bool(c.positive)) for c in corrections]], device=self.device)
        feature: Tensor = self.model.mask_decoder.correct(
            self._object_feature(done), done.state, clicks_xy_unit=xy, click_labels=signs
        )
        return feature

    def _normalised(self, embedding: Embedding) -> Tensor:
        pixels = torch.from_numpy(embedding.pixels).to(self.device).permute(2, 0, 1)[None]
        return normalise(pixels)

    def _upsampled(self, low: Tensor) -> Tensor:
        size = (self.model.config.window,) * 2
        return torch.nn.functional.interpolate(low.float(), size, mode="bilinear")


def _array(logits: Tensor) -> NDArray[np.float32]:
    return logits[0, 0].float().cpu().numpy()


def mask_logits(prompt: Prompt, window: Window, low: int) -> NDArray[np.float32]:
    """A mask prompt in the window's frame: float32 (low, low), +-MASK_LOGIT, soft at the edge."""
    assert prompt.mask is not None
    placed = prompt.mask
    side = max(window.height, 1)
    canvas = np.full((window.height, window.width), -MASK_LOGIT, np.float32)
    y0, x0 = max(placed.y - window.y, 0), max(placed.x - window.x, 0)
    y1 = min(placed.y - window.y + placed.mask.shape[0], window.height)
    x1 = min(placed.x - window.x + placed.mask.shape[1], window.width)
    if y1 > y0 and x1 > x0:
        dy, dx = window.y - placed.y, window.x - placed.x
        part = placed.mask[y0 + dy : y1 + dy, x0 + dx : x1 + dx]
        canvas[y0:y1, x0:x1][part] = MASK_LOGIT
    frame = Window(0, 0, low, low)
    # reading `low` pixels out of a picture of the window's own size is the same resampling
    return logits_at_image(canvas, frame, frame).copy() if side != low else canvas
