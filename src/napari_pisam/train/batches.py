"""Numbered training batches: the same number, the same batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_pisam.train.crops import CropSampler
from napari_pisam.train.prompting import CropPrompts, draw_prompts


class CropBatch(NamedTuple):
    """masks uint8 (N, S, S) and the prompts of one crop's objects."""

    masks: Tensor
    prompts: CropPrompts


class StepBatch(NamedTuple):
    """What one step of one process sees: pixels uint8 (C, 3, S, S) and C crops."""

    step: int
    pixels: Tensor
    crops: tuple[CropBatch, ...]


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
        return StepBatch(
            step,
            torch.from_numpy(np.stack([c.pixels for c in crops])),
            tuple(
                CropBatch(
                    torch.from_numpy(c.masks), draw_prompts(c.masks, rng, self.low, self.prompts)
                )
                for c in crops
            ),
        )
