"""What one step of each stage computes: a batch in, a loss with its parts out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model.decoder import PromptState
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.simulate import error_clicks
from napari_pisam.train.batches import CropBatch, StepBatch
from napari_pisam.train.config import Stage, TrainConfig
from napari_pisam.train.losses import mask_iou, point_loss, sam_loss
from napari_pisam.train.prompting import CropPrompts

POINTS_SHARE = 112 * 112 / 1024**2
"""Loss points per pixel of the window: 12,544 for a window of 1024."""
LEAST_POINTS = 1024


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
    model: PiSam, prompts: CropPrompts, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Sparse and dense prompt embeddings of a crop's objects."""

    def there(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.to(device)

    return model.encode_prompts(
        boxes_xyxy_input=there(prompts.boxes_xyxy_input),
        points_xy_input=there(prompts.points_xy_input),
        point_labels=there(prompts.point_labels),
        mask_input=there(prompts.mask_input),
    )


class _HighExample(NamedTuple):
    """What the high-resolution step sees of a crop: its first `share` objects."""

    normalised: Tensor
    target: Tensor
    share: int
    generator: torch.Generator


class StageStep(nn.Module):
    """One training step of a stage for a model; a module, so that DDP can wrap it."""

    def __init__(self, model: PiSam, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.stage: Stage = config.stage
        self.points = max(LEAST_POINTS, round(POINTS_SHARE * model.config.window**2))

    def forward(self, batch: StepBatch) -> StepLoss:
        """The loss of a batch; everything random in it comes from the batch's number."""
        device = self.model.mask_decoder.iou_token.weight.device
        rng = np.random.default_rng((self.config.seed, batch.step, 1))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        tally = _Tally()
        frozen = self.stage == "interactor"
        with torch.set_grad_enabled(not frozen):
            normalised = normalise(batch.pixels.to(device))
            embedding, early = self.model.encode(normalised)
        share = self.config.high_objects // max(1, len(batch.crops))
        for i, crop in enumerate(batch.crops):
            one = (embedding[i : i + 1], early[i : i + 1])
            target = crop.masks.to(device).float().unsqueeze(1) / 255
            with torch.set_grad_enabled(not frozen):
                state = self._sam_step(tally, crop, one, target, rng)
            if self.stage != "encoder":
                example = _HighExample(normalised[i : i + 1], target, share, generator)
                self._pi_step(tally, state, example, rng)
        weighted = ("corrected",) if frozen else ("sam", "iou", "low", "high")
        return tally.loss(weighted)

    def _state(
        self, embeddings: tuple[Tensor, Tensor], prompts: CropPrompts, window: Tensor | None
    ) -> PromptState:
        embedding = embeddings[0]
        sparse, dense = embed_prompts(self.model, prompts, embedding.device)
        state: PromptState = self.model.mask_decoder.prompt_state(
            embedding, window, image_pe=self.model.dense_pe(), sparse=sparse, dense=dense
        )
        return state

    def _sam_step(
        self,
        tally: _Tally,
        crop: CropBatch,
        embeddings: tuple[Tensor, Tensor],
        target: Tensor,
        rng: np.random.Generator,
    ) -> PromptState:
        """SAM's own masks against the truth, and now and then again with the answer as a prompt."""
        window = None
        if self.stage != "encoder":
            window = self.model.mask_decoder.window_feature(*embeddings)
        low_target = F.adaptive_avg_pool2d(target, self.model.config.low)
        prompts = crop.prompts
        state = self._state(embeddings, prompts, window)
        logits = self._sam_losses(tally, state, low_target, ambiguous=prompts.ambiguous)
        if rng.random() < self.config.second_pass:
            again = with_answer(prompts, logits, low_target, self.model.config.window)
            state = self._state(embeddings, again, window)
            self._sam_losses(tally, state, low_target, ambiguous=False)
        if self.stage == "decoder":
            tally.add("low", self._points(state.low_res_logits, target, rng))
        return state

    def _points(self, logits: Tensor, target: Tensor, rng: np.random.Generator) -> Tensor:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return point_loss(logits.float(), target, self.points // 4, generator)

    def _sam_losses(
        self, tally: _Tally, state: PromptState, target: Tensor, *, ambiguous: bool
    ) -> Tensor:
        """Adds "sam" and "iou"; the logits (N, 1, L, L) that the loss chose."""
        logits = state.sam_logits.float()
        losses = sam_loss(logits, target)
        if ambiguous:
            best = losses[:, 1:].argmin(1) + 1
            # a click must also have a single answer: the first token learns it at a tenth
            tally.add("sam", losses.gather(1, best[:, None]) + 0.1 * losses[:, :1])
        else:
            best = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
            tally.add("sam", losses[:, 0])
        with torch.no_grad():
            wanted = mask_iou(logits, target)
        tally.add("iou", (state.iou.float() - wanted).pow(2).mean(1))
        tally.add("iou_of_best", wanted.gather(1, best[:, None]))
        return logits[torch.arange(len(logits), device=logits.device), best].unsqueeze(1).detach()

    def _pi_step(
        self, tally: _Tally, state: PromptState, example: _HighExample, rng: np.random.Generator
    ) -> None:
        """The high-resolution head on a few of the crop's objects; corrections in their stage."""
        decoder = self.model.mask_decoder
        normalised, target, share, generator = example
        state = _rows(state, slice(0, max(1, share)))
        target = target[: max(1, share)]
        learning = self.stage == "decoder"
        with torch.set_grad_enabled(learning):
            feature = decoder.object_feature(state)
            rgb = decoder.rgb_embed(normalised)
            before = decoder.head(feature, rgb)
        if learning:
            tally.add("high", point_loss(before.float(), target, self.points, generator))
            return
        clicks = _error_click_tensors(state.low_res_logits, target, rng)
        if clicks is None:
            return
        rows, xy, labels = clicks
        assert state.output_token is not None
        corrected = decoder.interact_2(
            feature[rows], state.output_token[rows], clicks_xy_unit=xy, click_labels=labels
        )
        after = decoder.head(corrected, rgb)
        tally.add("corrected", point_loss(after.float(), target[rows], self.points, generator))


def _rows(state: PromptState, rows: slice) -> PromptState:
    token, feature = state.output_token, state.mask_feature
    return PromptState(
        state.sam_logits[rows],
        state.iou[rows],
        None if token is None else token[rows],
        None if feature is None else feature[rows],
        state.low_res_logits[rows],
    )


def _error_click_tensors(
    low_logits: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Rows that have errors, their clicks (R, K, 2) in 0..1 and labels (R, K), -1 for padding."""
    side = low_logits.shape[-1]
    predicted = (low_logits > 0).squeeze(1).cpu().numpy()
    truth = (F.adaptive_avg_pool2d(target, side) > 0.5).squeeze(1).cpu().numpy()
    drawn = [error_clicks(p, t, rng) for p, t in zip(predicted, truth, strict=True)]
    rows = [i for i, clicks in enumerate(drawn) if clicks]
    if not rows:
        return None
    most = max(len(drawn[i]) for i in rows)
    xy = torch.zeros(len(rows), most, 2)
    labels = torch.full((len(rows), most), -1, dtype=torch.long)
    for r, i in enumerate(rows):
        for k, click in enumerate(drawn[i]):
            xy[r, k] = torch.tensor(((click.x + 0.5) / side, (click.y + 0.5) / side))
            labels[r, k] = int(bool(click.positive))
    device = low_logits.device
    return torch.tensor(rows, device=device), xy.to(device), labels.to(device)


def with_answer(prompts: CropPrompts, logits: Tensor, target: Tensor, window: int) -> CropPrompts:
    """The prompt again with the answer as its mask and a point in the middle of the error.

    logits, target (N, 1, L, L). Objects without an error get a point of padding.
    """
    wrong = (logits > 0) != (target > 0.5)
    side = logits.shape[-1]
    # a box blur whose peak is deep inside the largest errors
    depth = F.avg_pool2d(wrong.float(), 9, 1, 4).flatten(1)
    where = depth.argmax(1)
    y, x = where // side, where % side
    xy = (torch.stack([x, y], -1).float() + 0.5) * (window / side) - 0.5
    signs = target.flatten(1).gather(1, where[:, None]) > 0.5
    labels = torch.where(wrong.flatten(1).any(1, keepdim=True), signs.long(), -1)
    xy, labels = xy[:, None].cpu(), labels.cpu()
    if prompts.points_xy_input is not None and prompts.point_labels is not None:
        xy = torch.cat([prompts.points_xy_input, xy], 1)
        labels = torch.cat([prompts.point_labels, labels], 1)
    return CropPrompts(xy, labels, prompts.boxes_xyxy_input, logits.clamp(-12, 12), False)
