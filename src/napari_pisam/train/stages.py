"""The computation of one step of each stage: a batch in, a loss with its parts out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model.decoder import PromptState
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.batches import StepBatch
from napari_pisam.train.config import Stage, TrainConfig
from napari_pisam.train.corrections import Corrections, with_result
from napari_pisam.train.losses import mask_iou, point_loss, sam_loss
from napari_pisam.train.pi_step import PiStep, example_of
from napari_pisam.train.prompting import DrawnPrompts

POINTS_SHARE = 112 * 112 / 1024**2
"""Loss points per pixel of the window: 12,544 for a window of 1024."""
LEAST_POINTS = 1024
MOST_PASSES = 3
"""How often at most the mask of a step is given back as a prompt."""
LOSSES: dict[Stage, tuple[str, ...]] = {
    "encoder": ("sam", "iou"),
    "decoder": ("sam", "iou", "low", "high"),
    "interactor": ("corrected",),
}
"""The losses whose sum each stage minimises, unless the configuration names others."""


class StepLoss(NamedTuple):
    """total: to be minimised; parts: what the log shows, detached."""

    total: Tensor
    parts: dict[str, Tensor]


class _Tally:
    """Sums losses by name over the objects of a step."""

    def __init__(self) -> None:
        self.sums: dict[str, list[Tensor]] = {}

    def add(self, name: str, values: Tensor) -> None:
        self.sums.setdefault(name, []).append(values.float().flatten())

    def loss(self, weighted: tuple[str, ...]) -> StepLoss:
        means = {k: torch.cat(v).mean() for k, v in self.sums.items()}
        chosen = [means[k] for k in weighted if k in means]
        total = torch.stack(chosen).sum() if chosen else torch.zeros(())
        return StepLoss(total, {k: v.detach() for k, v in means.items()})


def embed_prompts(
    model: PiSam, prompts: DrawnPrompts, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Sparse and dense prompt embeddings of N objects, in the order of their prompts."""

    def there(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.to(device)

    return model.encode_prompts(
        boxes_xyxy_input=there(prompts.boxes_xyxy_input),
        points_xy_input=there(prompts.points_xy_input),
        point_labels=there(prompts.point_labels),
        mask_input=there(prompts.mask_input),
    )


def _learns(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters())


class StageStep(nn.Module):
    """One training step of a stage for a model; a module, so that DDP can wrap it."""

    def __init__(self, model: PiSam, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.stage: Stage = config.stage
        self.points = max(LEAST_POINTS, round(POINTS_SHARE * model.config.window**2))
        self.wanted = config.losses or LOSSES[config.stage]
        self.pi = PiStep(model.mask_decoder, config, self.points)

    def forward(self, batch: StepBatch) -> StepLoss:
        """The loss of a batch; everything random in it comes from the batch's number."""
        device = self.model.mask_decoder.iou_token.weight.device
        rng = np.random.default_rng((self.config.seed, batch.step, 1))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        tally = _Tally()
        # Encode the windows; depthwise convolutions are several times quicker with channels last
        pixels = batch.pixels.to(device, memory_format=torch.channels_last)
        normalised = normalise(pixels)
        with torch.set_grad_enabled(_learns(self.model.image_encoder)):
            embedding, early = self.model.encode(normalised)
        # Decode SAM's masks, perhaps several times, each with a click on the last one's error
        rows = batch.window_of.to(device)
        target = batch.masks.to(device).float().unsqueeze(1) / 255
        with torch.set_grad_enabled(self.stage != "interactor"):
            state, corrections = self._sam_step(
                tally, batch, (embedding, early), target=target, rng=rng
            )
        if not self.model.config.answers_again:
            # in prediction only the interactor gets them: it is trained on the errors that are left
            corrections = None
        # Choose the objects that the high-resolution modules see
        examples = []
        if not {"high", "corrected"}.isdisjoint(self.wanted):
            share = max(1, self.config.high_objects // len(batch.pixels))
            for i in range(len(normalised)):
                own = (rows == i).nonzero().flatten()[:share]
                example = example_of(state, normalised[i : i + 1], target, rows=own)
                examples.append(example.corrected_by(corrections, own))
        # Compute their losses
        for group in self.pi.groups(examples):
            if self.stage == "decoder":
                tally.add("high", self.pi.high_loss(group, rng, generator))
            elif (corrected := self.pi.corrected_loss(group, rng, generator)) is not None:
                tally.add("corrected", corrected)
        # Sum the losses
        loss = tally.loss(self.wanted)
        if loss.total.requires_grad:
            return loss
        # No object has an error: give zeros, because other processes wait for this one's gradient
        idle = [p.sum() * 0 for p in self.parameters() if p.requires_grad]
        return StepLoss(torch.stack(idle).sum(), loss.parts)

    def _state(
        self, embedding: Tensor, prompts: DrawnPrompts, feature: Tensor | None
    ) -> PromptState:
        sparse, dense = embed_prompts(self.model, prompts, embedding.device)
        state: PromptState = self.model.mask_decoder.prompt_state(
            embedding, feature, image_pe=self.model.dense_pe(), sparse=sparse, dense=dense
        )
        return state

    def _sam_step(
        self,
        tally: _Tally,
        batch: StepBatch,
        encoded: tuple[Tensor, Tensor],
        *,
        target: Tensor,
        rng: np.random.Generator,
    ) -> tuple[PromptState, Corrections | None]:
        """Losses of SAM's masks, and perhaps of more passes with the last mask as a prompt.

        Returns the last state and the corrections that led to it, None without any.
        """
        # Prepare the window's share for each object
        rows = batch.window_of.to(target.device)
        feature = None
        if self.stage != "encoder":
            feature = self.model.mask_decoder.window_feature(*encoded)[rows]
        embedding = encoded[0][rows]
        low_target = F.adaptive_avg_pool2d(target, self.model.config.low)
        # Decode the drawn prompts
        prompts, corrections = batch.prompts, None
        state = self._state(embedding, prompts, feature)
        logits = self._sam_losses(tally, state, low_target, ambiguous=prompts.ambiguous)
        # Decode again, each time with the last mask and a click on its error
        window = self.model.config.window
        for _ in range(MOST_PASSES):
            if rng.random() >= self.config.second_pass:
                break
            # as in prediction: the low-resolution mask, where there is one of its own
            mask = logits if self.stage == "encoder" else state.low_res_logits.detach().float()
            prompts, given = with_result(prompts, mask, low_target, window=window)
            corrections = given if corrections is None else corrections.and_then(given)
            state = self._state(embedding, prompts, feature)
            logits = self._sam_losses(tally, state, low_target, ambiguous=False)
        if self.stage == "decoder":
            tally.add("low", self._points(state.low_res_logits, target, rng))
        return state, corrections

    def _points(self, logits: Tensor, target: Tensor, rng: np.random.Generator) -> Tensor:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return point_loss(logits.float(), target, self.points // 4, generator=generator)

    def _sam_losses(
        self, tally: _Tally, state: PromptState, target: Tensor, *, ambiguous: bool
    ) -> Tensor:
        """Adds "sam" and "iou"; the logits (N, 1, L, L) that the loss chose."""
        logits = state.sam_logits.float()
        losses = sam_loss(logits, target)
        if ambiguous:
            best = losses[:, 1:].argmin(1) + 1
            # one click must give one mask too: the first token is trained on it at a tenth
            tally.add("sam", losses.gather(1, best[:, None]) + 0.1 * losses[:, :1])
        else:
            best = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
            tally.add("sam", losses[:, 0])
        with torch.no_grad():
            wanted = mask_iou(logits, target)
        tally.add("iou", (state.iou.float() - wanted).pow(2).mean(1))
        tally.add("iou_of_best", wanted.gather(1, best[:, None]))
        return logits[torch.arange(len(logits), device=logits.device), best].unsqueeze(1).detach()
