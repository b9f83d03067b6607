"""The high-resolution modules' part of a training step: their losses on squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_pisam.model.decoder import PiDecoder, PromptState
from napari_pisam.train.config import TrainConfig
from napari_pisam.train.corrections import Clicks, Corrections, clicks_on_errors, padded_clicks
from napari_pisam.train.losses import point_loss
from napari_pisam.train.squares import (
    EMBEDDER_MARGIN,
    HEAD_MARGIN,
    INTERACTOR_MARGIN,
    Squares,
    click_squares,
    object_squares,
    rgb_on_squares,
)

ROUND_CLICKS = 0.7
"""Share of the interactor stage's squares that are placed by a click rather than by the object."""


class PiExample(NamedTuple):
    """Some objects of one window.

    output_token (n, 1, C), mask_feature (n, C, L, L), low_res_logits (n, 1, L, L): of the decoder;
    normalised (1, 3, S, S): the window's pixels; target (n, 1, S, S) in 0..1. corrections: clicks
    that SAM's decoder was given already; None without any.
    """

    output_token: Tensor
    mask_feature: Tensor
    low_res_logits: Tensor
    normalised: Tensor
    target: Tensor
    corrections: Corrections | None = None

    def corrected_by(self, corrections: Corrections | None, rows: Tensor) -> PiExample:
        """The same with the corrections of its objects; rows: of its objects."""
        if corrections is None:
            return self
        own = rows.cpu()
        return self._replace(
            corrections=Corrections(corrections.xy_unit[own], corrections.labels[own])
        )

    def clicks(self, rng: np.random.Generator) -> list[Clicks]:
        """For each object its corrections; if there are none, clicks drawn on its errors."""
        if self.corrections is None:
            return clicks_on_errors(self.low_res_logits, self.target, rng)
        pairs = zip(self.corrections.xy_unit, self.corrections.labels, strict=True)
        return [(xy[labels >= 0].numpy(), labels[labels >= 0].numpy()) for xy, labels in pairs]

    def of(self, rows: list[int]) -> PiExample:
        """Some of the objects, each with its own pixels; without corrections."""
        return PiExample(
            self.output_token[rows],
            self.mask_feature[rows],
            self.low_res_logits[rows],
            self.normalised[rows],
            self.target[rows],
        )


def example_of(
    state: PromptState, normalised: Tensor, target: Tensor, *, rows: Tensor | slice
) -> PiExample:
    """Some objects, all of one window."""
    if state.output_token is None or state.mask_feature is None:
        raise ValueError("The high-resolution step needs a decoder of kind 'pi'.")
    return PiExample(
        state.output_token[rows],
        state.mask_feature[rows],
        state.low_res_logits[rows],
        normalised,
        target[rows],
    )


def _joined(examples: Sequence[PiExample]) -> PiExample:
    """Examples of several windows as one, each object with its own pixels."""
    pixels = [e.normalised.expand(len(e.target), -1, -1, -1) for e in examples]
    tokens, features, lows, _, targets, corrections = zip(*examples, strict=True)
    together = None
    if corrections[0] is not None:
        together = Corrections(*(torch.cat(part) for part in zip(*corrections, strict=True)))
    return PiExample(
        torch.cat(tokens),
        torch.cat(features),
        torch.cat(lows),
        torch.cat(pixels),
        torch.cat(targets),
        together,
    )


class PiStep:
    """Losses of the high-resolution mask before and after corrections.

    points: of the loss, per object.
    """

    def __init__(self, decoder: PiDecoder, config: TrainConfig, points: int) -> None:
        self.decoder, self.points = decoder, points
        self.side = config.feature_crop or decoder.config.low
        self.context = config.context

    def groups(self, examples: Sequence[PiExample]) -> list[PiExample]:
        """What is computed at once: all squares, or the windows one by one."""
        if examples and self.side < self.decoder.config.low:
            return [_joined(examples)]
        return [_joined([e]) for e in examples]

    def high_loss(
        self, example: PiExample, rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor:
        """Loss (n,) of the high-resolution mask without corrections."""
        squares = object_squares(example.target, example.low_res_logits, self.side, rng=rng)
        feature = self.decoder.mask_aspp(
            squares.cut(example.mask_feature), squares.cut(example.low_res_logits)
        )
        margin = EMBEDDER_MARGIN + HEAD_MARGIN
        return self._head_loss(feature, example, squares, margin=margin, generator=generator)

    def corrected_loss(
        self, example: PiExample, rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor | None:
        """Loss (R,) of the R objects with errors after clicks on these; None without any."""
        # Draw clicks, and leave out objects without errors
        clicks = example.clicks(rng)
        rows = [i for i, (_, labels) in enumerate(clicks) if len(labels)]
        if not rows:
            return None
        own = example.of(rows)
        # Place a square for each object
        squares = self._placed([clicks[i][0] for i in rows], own, rng)
        xy, labels = padded_clicks([clicks[i] for i in rows])
        device = own.target.device
        # Correct the object feature, on the whole window or on the squares alone
        if self.context == "window":
            with torch.no_grad():
                feature = self.decoder.mask_aspp(own.mask_feature, own.low_res_logits)
            whole = self._interact(feature, own, Corrections(xy.to(device), labels.to(device)))
            changed = squares.cut(whole)
            margin = HEAD_MARGIN
        else:
            labels = torch.where(squares.hold(xy), labels, -1)
            with torch.no_grad():
                feature = self.decoder.mask_aspp(
                    squares.cut(own.mask_feature), squares.cut(own.low_res_logits)
                )
            given = Corrections(xy.to(device), labels.to(device))
            changed = self._interact(feature, own, given, corners=squares.corners.to(device))
            margin = EMBEDDER_MARGIN + INTERACTOR_MARGIN + HEAD_MARGIN
        return self._head_loss(changed, own, squares, margin=margin, generator=generator)

    def _placed(
        self, clicks: list[np.typing.NDArray[np.float32]], own: PiExample, rng: np.random.Generator
    ) -> Squares:
        if rng.random() < ROUND_CLICKS or self.context == "crop":
            return click_squares(clicks, own.low_res_logits.shape[-1], self.side, rng=rng)
        return object_squares(own.target, own.low_res_logits, self.side, rng=rng)

    def _interact(
        self, feature: Tensor, own: PiExample, clicks: Corrections, **where: Tensor
    ) -> Tensor:
        out: Tensor = self.decoder.interact_2(
            feature,
            own.output_token,
            clicks_xy_unit=clicks.xy_unit,
            click_labels=clicks.labels,
            **where,
        )
        return out

    def _head_loss(
        self,
        feature: Tensor,
        example: PiExample,
        squares: Squares,
        *,
        margin: int,
        generator: torch.Generator,
    ) -> Tensor:
        """The head on the squares, and its loss where their edges do not reach."""
        rgb = rgb_on_squares(self.decoder.rgb_embed, example.normalised, squares)
        logits = self.decoder.head(feature, rgb).float()
        inner = squares.inner_xyxy_unit(margin)
        return point_loss(
            logits,
            squares.cut(example.target),
            self.points,
            generator=generator,
            within_xyxy_unit=inner,
        )
