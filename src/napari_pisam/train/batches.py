"""Numbered training batches: the same number, the same batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_pisam.train.crops import CropSampler
from napari_pisam.train.prompting import DrawnPrompts, draw_prompts


class StepBatch(NamedTuple):
    """The input of one step of one process: windows, and N objects in them, prompted in one way.

    pixels uint8 (C, 3, S, S); window_of int64 (N,): which of the windows an object is in; masks
    uint8 (N, S, S). With one kind of prompt a step, the decoder computes all objects at once.
    """

    step: int
    pixels: Tensor
    window_of: Tensor
    masks: Tensor
    prompts: DrawnPrompts


class StepDataset(Dataset[StepBatch]):
    """Batch of step i, drawn from (*seed, i) and nothing else; seed: of the run, of the process."""

    def __init__(
        self,
        sampler: CropSampler,
        *,
        crops: int,
        low: int,
        prompts: Mapping[str, float],
        seed: tuple[int, int],
    ) -> None:
        self.sampler, self.crops, self.low = sampler, crops, low
        self.prompts, self.seed = prompts, seed

    def __getitem__(self, step: int) -> StepBatch:
        rng = np.random.default_rng((*self.seed, step))
        crops = [self.sampler.draw(rng) for _ in range(self.crops)]
        masks = np.concatenate([c.masks for c in crops])
        return StepBatch(
            step,
            torch.from_numpy(np.stack([c.pixels for c in crops])),
            torch.repeat_interleave(torch.tensor([len(c.masks) for c in crops])),
            torch.from_numpy(masks),
            draw_prompts(masks, rng, self.low, odds=self.prompts),
        )
