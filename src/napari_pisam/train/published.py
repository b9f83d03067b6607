"""The published training of Pi-SAM as configurations: the decoder first, then the interactor."""

from __future__ import annotations

from typing import Literal

from napari_pisam.datasets.labelled import PUBLISHED, load_sources
from napari_pisam.model.checkpoint import ENCODER_WIDTHS
from napari_pisam.train.config import ConfigError, TrainConfig
from napari_pisam.train.initial import NEW_PARTS
from napari_pisam.zoo import ZOO

RATE = 1e-3


def published_config(encoder: str, stage: Literal["decoder", "interactor"]) -> TrainConfig:
    """The published recipe of one stage: Adam, 100 epochs, four images a device, SAM frozen.

    encoder: "vit_b", "vit_l" or "vit_h". Under the checkpoint root it expects SAM's official file
    and, for the interactor, runs/ENCODER-decoder/weights.safetensors. Raises ConfigError for
    another encoder or stage. Source: Pi-SAM's program; points and masks are drawn beside the boxes
    so that SAM's other prompts keep working.
    """
    if encoder not in ENCODER_WIDTHS:
        raise ConfigError(f"encoder is {', '.join(ENCODER_WIDTHS)}, not {encoder!r}.")
    if stage not in ("decoder", "interactor"):
        raise ConfigError(f"The published stages are decoder and interactor, not {stage!r}.")
    init = ["sam:" + ZOO[f"sam_{encoder}"].filename]
    learning = NEW_PARTS - {"interact_2"}
    if stage == "interactor":
        init.append(f"checkpoint:runs/{encoder}-decoder/weights.safetensors")
        learning = frozenset({"interact_2"})
    return TrainConfig(
        name=f"published {encoder} {stage}",
        stage=stage,
        sources=load_sources(PUBLISHED),
        model=encoder,
        init=tuple(init),
        learning_rates={f"mask_decoder.{part}": RATE for part in sorted(learning)},
        losses=("low", "high") if stage == "decoder" else (),
        epochs=100,
        warmup=0,
        floor=0.0,
        clip=0.0,
        weight_decay=0.0,
        ema=0.0,
        crops=4,
        objects=1,
        high_objects=4,
        window="whole",
        augment="flip",
        prompts={"box": 0.7, "click": 0.1, "points": 0.1, "box_mask": 0.1},
        synthetic=0.0,
        second_pass=0.0,
        context="window",
        seed=42,
        workers=4,
    )
