"""From prompts in the image to SAM's sparse and dense prompt embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from napari_pisam.geometry import Window, WindowGrid, pixel_centres
from napari_pisam.images.resample import linear_weights
from napari_pisam.model.pisam import PiSam, as_mask_prompt
from napari_pisam.prompts import Prompt

MASK_LOGIT = 6.0
"""Logit that stands for a painted pixel of a mask prompt."""
_SUMMED_VALUES = 2**16
"""Pixels of a mask prompt that are numbers at the same time."""


class PromptEmbedder:
    """Embeds prompts with the prompt encoder of one model."""

    def __init__(self, model: PiSam, device: torch.device) -> None:
        self._model, self._device = model, device

    def embed(
        self, prompts: Sequence[Prompt], window: Window, *, previous: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Sparse (B, N, dim) and dense (B, dim, g, g) embeddings of prompts in a window.

        prompts: all with as many points, a box or none, a mask or none; image pixels. previous:
        (B, 1, L, L), low-resolution logits in place of their masks.
        """
        config = self._model.config
        grid = WindowGrid(window, config.window)
        points = labels = boxes = mask = None
        if prompts[0].points:
            points = self._stacked([grid.points_xy_input(p.points) for p in prompts])
            signs = [[int(bool(c.positive)) for c in p.points] for p in prompts]
            labels = torch.tensor(signs, device=self._device)
        if prompts[0].box is not None:
            boxes = self._stacked([grid.box_xyxy_input(p.box) for p in prompts if p.box])
        if previous is not None:
            mask = as_mask_prompt(previous)
        elif prompts[0].mask is not None:
            mask = self._stacked([mask_logits(p, window, config.low)[None] for p in prompts])
        return self._model.encode_prompts(
            boxes_xyxy_input=boxes, points_xy_input=points, point_labels=labels, mask_input=mask
        )

    def _stacked(self, arrays: Sequence[NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self._device)


def mask_logits(prompt: Prompt, window: Window, low: int) -> NDArray[np.float32]:
    """A mask prompt in the window's frame: float32 (low, low), +-MASK_LOGIT, soft at the edge.

    Each value is the mean of the mask round it, antialiased as a resize of the whole window is.
    """
    assert prompt.mask is not None
    covered = np.zeros((low, low), np.float32)
    own = prompt.mask.window
    part = own and own.intersection(window)
    if own and part:
        inside = prompt.mask.mask[part.seen_from(own.y, own.x).slices]
        columns = _part_weights(part.x - window.x, part.width, window.width, low=low)
        rows = _part_weights(part.y - window.y, part.height, window.height, low=low)
        for i in range(low):
            taps = slice(rows.indptr[i], rows.indptr[i + 1])
            if taps.start < taps.stop:
                covered[i] = columns @ _row_sum(inside, rows.indices[taps], rows.data[taps])
    return (2 * covered - 1) * np.float32(MASK_LOGIT)


def _part_weights(start: int, count: int, length: int, *, low: int) -> csr_array:
    """How much pixels start .. start + count of a window's side count for each of `low`."""
    centres = pixel_centres(-0.5, length, low)
    weights = linear_weights(centres, length / low, length)
    weights.eliminate_zeros()
    return weights[:, start : start + count]


def _row_sum(
    mask: NDArray[np.bool_], rows: NDArray[np.int32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The weighted sum of rows of a mask, a few columns at a time: float32 (columns,)."""
    found = np.empty(mask.shape[1], np.float32)
    first, last = int(rows.min()), int(rows.max()) + 1
    ordered = np.zeros(last - first, np.float32)
    ordered[rows - first] = weights
    for x in range(0, mask.shape[1], step := max(_SUMMED_VALUES // len(ordered), 1)):
        found[x : x + step] = ordered @ mask[first:last, x : x + step].astype(np.float32)
    return found
