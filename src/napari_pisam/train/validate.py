"""Validation during training: IoU on fixed crops of the held-back images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_pisam.datasets.labelled import LabelledImage
from napari_pisam.geometry import unit_of_input
from napari_pisam.model.decoder import PromptState
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.simulate import next_correction
from napari_pisam.train.config import Stage
from napari_pisam.train.crops import Crop, CropSampler, CropStyle
from napari_pisam.train.losses import mask_iou
from napari_pisam.train.pi_step import PiExample, example_of
from napari_pisam.train.prompting import draw_box, draw_points

CROPS_PER_SOURCE = 8
VALIDATED_OBJECTS = 4


HIGH_CROPS = 4
"""Crops of a source on which the high-resolution mask of one object is measured, which is slow."""


@torch.no_grad()
def validation_iou(
    model: PiSam, images: Sequence[LabelledImage], style: CropStyle, *, stage: Stage
) -> dict[str, float]:
    """Mean over sources of the IoU, from a deep click and from a box.

    The crops are the same at every call. Keys: val/click and val/box of SAM's own masks,
    val/click_low and val/box_low of the high-resolution path's low-resolution mask; from stage
    "decoder" on val/high, from a box at full resolution, and for stage "interactor" val/corrected,
    the same after one click in the middle of the largest error.
    """
    model.eval()
    rng = np.random.default_rng(0)
    sums: dict[str, list[float]] = {}
    for source in sorted({i.source for i in images}):
        own = [i for i in images if i.source == source]
        sampler = CropSampler([(1.0, own)], replace(style, objects=VALIDATED_OBJECTS))
        values: dict[str, list[float]] = {}
        for i in range(CROPS_PER_SOURCE):
            high = stage != "encoder" and i < HIGH_CROPS
            found = _crop_iou(model, sampler.draw(rng), rng, high=high)
            for name, value in found.items():
                values.setdefault(name, []).append(value)
        for name, measured in values.items():
            sums.setdefault(name, []).append(float(np.mean(measured)))
    if stage != "interactor":
        sums.pop("corrected", None)
    return {f"val/{name}": float(np.mean(v)) for name, v in sums.items()}


def _crop_iou(
    model: PiSam, crop: Crop, rng: np.random.Generator, *, high: bool
) -> dict[str, float]:
    device = model.mask_decoder.iou_token.weight.device
    normalised = normalise(torch.from_numpy(crop.pixels)[None].to(device))
    embedding, early = model.encode(normalised)
    full = torch.from_numpy(crop.masks).to(device).float()[:, None] / 255
    target = F.adaptive_avg_pool2d(full, model.config.low)
    window = model.mask_decoder.window_feature(embedding, early)
    points = torch.from_numpy(np.stack([draw_points(m, 1, rng)[0] for m in crop.masks]))
    boxes = torch.from_numpy(np.stack([draw_box(m, rng) for m in crop.masks]))
    labels = torch.ones(points.shape[:2], dtype=torch.long)

    def state_of(**prompt: Tensor) -> PromptState:
        sparse, dense = model.encode_prompts(**{k: v.to(device) for k, v in prompt.items()})
        state: PromptState = model.mask_decoder.prompt_state(
            embedding, window, image_pe=model.dense_pe(), sparse=sparse, dense=dense
        )
        return state

    by_click = state_of(points_xy_input=points, point_labels=labels)
    by_box = state_of(boxes_xyxy_input=boxes)
    best = by_click.iou[:, 1:].argmax(1, keepdim=True) + 1
    found = {
        "click": mask_iou(by_click.sam_logits, target).gather(1, best),
        "box": mask_iou(by_box.sam_logits, target)[:, 0],
        "click_low": mask_iou(by_click.low_res_logits, target),
        "box_low": mask_iou(by_box.low_res_logits, target),
    }
    if high:
        found |= _high_iou(model, example_of(by_box, normalised, full, rows=slice(1)))
    return {name: float(value.mean()) for name, value in found.items()}


def _high_iou(model: PiSam, one: PiExample) -> dict[str, Tensor]:
    """IoU of one object's high-resolution mask, before and after a correction click."""
    decoder = model.mask_decoder
    feature = decoder.mask_aspp(one.mask_feature, one.low_res_logits)
    rgb = decoder.rgb_embed(one.normalised)
    logits = decoder.head(feature, rgb)
    before = mask_iou(logits, one.target)
    predicted, truth = (t[0, 0].cpu().numpy() for t in (logits > 0, one.target > 0.5))
    click = next_correction(predicted, truth)
    if click is None:
        return {"high": before, "corrected": before}
    xy = unit_of_input(torch.tensor((click.x, click.y)), len(predicted)).view(1, 1, 2).to(logits)
    flag = torch.tensor([[int(bool(click.positive))]], device=logits.device)
    changed = decoder.interact_2(feature, one.output_token, clicks_xy_unit=xy, click_labels=flag)
    return {"high": before, "corrected": mask_iou(decoder.head(changed, rgb), one.target)}
