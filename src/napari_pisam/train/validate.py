"""A quick look at quality during training: IoU on fixed crops of the held-back images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_pisam.images.labelled import LabelledImage
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.crops import Crop, CropSampler
from napari_pisam.train.losses import mask_iou
from napari_pisam.train.prompting import draw_box, draw_points

CROPS_PER_SOURCE = 8


@torch.no_grad()
def validation_iou(model: PiSam, images: Sequence[LabelledImage]) -> dict[str, float]:
    """Mean over sources of the low-resolution IoU, from a deep click and from a box.

    The crops are the same at every call. Keys: val/click, val/box, val/click_low, val/box_low (the
    last two of the high-resolution path's low-resolution mask).
    """
    model.eval()
    rng = np.random.default_rng(0)
    sums: dict[str, list[float]] = {}
    for source in sorted({i.source for i in images}):
        own = [i for i in images if i.source == source]
        sampler = CropSampler(
            [(1.0, own)], size=model.config.window, objects=4, synthetic=0, augment=False
        )
        values: dict[str, list[float]] = {}
        for _ in range(CROPS_PER_SOURCE):
            for name, value in _crop_iou(model, sampler.draw(rng), rng).items():
                values.setdefault(name, []).append(value)
        for name, found in values.items():
            sums.setdefault(name, []).append(float(np.mean(found)))
    return {f"val/{name}": float(np.mean(v)) for name, v in sums.items()}


def _crop_iou(model: PiSam, crop: Crop, rng: np.random.Generator) -> dict[str, float]:
    device = model.mask_decoder.iou_token.weight.device
    pixels = torch.from_numpy(crop.pixels)[None].to(device)
    embedding, early = model.encode(normalise(pixels))
    target = torch.from_numpy(crop.masks).to(device).float()[:, None] / 255
    target = F.adaptive_avg_pool2d(target, model.config.low)
    window = model.mask_decoder.window_feature(embedding, early)
    points = torch.from_numpy(np.stack([draw_points(m, 1, rng)[0] for m in crop.masks]))
    boxes = torch.from_numpy(np.stack([draw_box(m, rng) for m in crop.masks]))
    labels = torch.ones(points.shape[:2], dtype=torch.long)

    def answers(**prompt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sparse, dense = model.encode_prompts(**{k: v.to(device) for k, v in prompt.items()})
        state = model.mask_decoder.prompt_state(
            embedding, window, image_pe=model.dense_pe(), sparse=sparse, dense=dense
        )
        return mask_iou(state.sam_logits, target), state.iou, mask_iou(state.low_res_logits, target)

    by_click, estimate, low_click = answers(points_xy_input=points, point_labels=labels)
    best = estimate[:, 1:].argmax(1, keepdim=True) + 1
    by_box, _, low_box = answers(boxes_xyxy_input=boxes)
    return {
        "click": float(by_click.gather(1, best).mean()),
        "box": float(by_box[:, 0].mean()),
        "click_low": float(low_click.mean()),
        "box_low": float(low_box.mean()),
    }
