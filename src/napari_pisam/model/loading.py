"""From weights files to modules: decoders alone, SAM with a Pi-SAM decoder, our own models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_pisam.model.checkpoint import (
    Checkpoint,
    CheckpointError,
    Kind,
    load_into,
    read_state,
    require,
)
from napari_pisam.model.config import DecoderKind, EncoderConfig, ModelConfig, config_of
from napari_pisam.model.decoder import ClickOrder, PiDecoder
from napari_pisam.model.pisam import PiSam, draw_published_rgb_embedding

Source = str | Path | Mapping[str, Tensor]

_DECODER_KINDS: Mapping[DecoderKind, tuple[Kind, ...]] = {
    "pi": ("pi_decoder", "pisam"),
    "hq": ("hq_mask_decoder", "hq_sam"),
    "sam": ("sam_mask_decoder", "sam"),
}
_WHOLE: tuple[Kind, ...] = ("sam", "hq_sam", "pisam")
_DECODER_OF_WHOLE: Mapping[Kind, DecoderKind] = {"sam": "sam", "hq_sam": "hq", "pisam": "pi"}

RGB_NOTICE = (
    "This checkpoint does not hold the RGB embedding, which the published program leaves out; it "
    "was drawn from the published random seed instead."
)
INTERACTOR_NOTICE = (
    "This checkpoint holds no Precise Interactor: correction clicks are taken as SAM's points."
)


class IncompleteModelWarning(UserWarning):
    """A checkpoint lacks a part that can be done without; the message says which."""


def load_decoder(
    source: Source,
    *,
    encoder: str = "vit_b",
    kind: DecoderKind = "pi",
    click_order: ClickOrder = "xy",
) -> PiDecoder:
    """A mask decoder with its weights, in evaluation mode, float32, on the CPU.

    source: a path or a state dict (a decoder alone, or a whole model of that kind). encoder: the
    size it belongs to. click_order: "yx" for interactors trained as published, which were
    given (row, column) in the place of (x, y).
    Raises CheckpointError; warns (IncompleteModelWarning) of parts that the file does not hold.
    """
    checkpoint = read_state(source)
    require(checkpoint, _DECODER_KINDS[kind], encoder=encoder)
    config = config_of(encoder)
    decoder = PiDecoder(config, kind)
    decoder.click_order = click_order
    state = checkpoint.part("mask_decoder.") if checkpoint.kind in _WHOLE else checkpoint.state
    _fill_decoder(decoder, state, checkpoint)
    decoder.eval()
    return decoder


def _fill_decoder(decoder: PiDecoder, state: Mapping[str, Tensor], checkpoint: Checkpoint) -> None:
    optional = ("interact_2.", "rgb_embed.") if decoder.kind == "pi" else ()
    expected = f"a {decoder.kind} decoder for {decoder.config.name}"
    report = load_into(decoder, state, expected=expected, optional=optional, label=checkpoint.label)
    if "rgb_embed." in report.absent:
        decoder.rgb_embed.load_state_dict(draw_published_rgb_embedding(decoder.config))
        warnings.warn(RGB_NOTICE, IncompleteModelWarning, stacklevel=4)
    if "interact_2." in report.absent:
        decoder.interacts = False
        warnings.warn(INTERACTOR_NOTICE, IncompleteModelWarning, stacklevel=4)


def load_pisam(
    *,
    sam: Source,
    pi: Source | None,
    encoder: str = "vit_b",
    click_order: ClickOrder = "xy",
) -> PiSam:
    """A whole model: SAM's image and prompt encoder from `sam`, the decoder from `pi`.

    sam: a whole SAM or HQ-SAM; pi: a Pi-SAM decoder of the same size, or None for the decoder
    that the file `sam` holds itself. Path or state dict each. In evaluation mode, float32, on the
    CPU. Raises CheckpointError; warns as `load_decoder`.
    """
    whole = read_state(sam)
    require(whole, ("sam", "hq_sam"), encoder=encoder)
    kind: DecoderKind = "pi" if pi is not None else _DECODER_OF_WHOLE[whole.kind]
    model = PiSam(config_of(encoder), kind)
    for name in ("image_encoder", "prompt_encoder"):
        load_into(
            getattr(model, name),
            whole.part(f"{name}."),
            expected=f"SAM's {name.replace('_', ' ')} {encoder}",
            label=whole.label,
        )
    if pi is not None:
        model.mask_decoder = load_decoder(pi, encoder=encoder, click_order=click_order)
    else:
        _fill_decoder(model.mask_decoder, whole.part("mask_decoder."), whole)
    return model.eval()


def load_model(path: Path) -> PiSam:
    """Any whole model by its file: ours, SAM, HQ-SAM.

    Raises CheckpointError for anything else; for a Pi-SAM decoder alone it says that a SAM is
    needed.
    """
    checkpoint = read_state(path)
    if checkpoint.kind == "pisam":
        return _load_own(checkpoint)
    require(checkpoint, _WHOLE)
    if checkpoint.encoder is None:
        raise CheckpointError(f"{checkpoint.label} has an encoder of unknown width.")
    return load_pisam(sam=path, pi=None, encoder=checkpoint.encoder)


def _load_own(checkpoint: Checkpoint) -> PiSam:
    architecture = checkpoint.metadata["architecture"]
    try:
        model = PiSam(config_from(architecture), "pi")
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.label} was written by another version of napari-pisam: {error}."
        ) from None
    load_into(
        model, checkpoint.state, expected=f"the model {model.config.name}", label=checkpoint.label
    )
    return model.eval()


def architecture_of(config: ModelConfig) -> dict[str, Any]:
    """The configuration as JSON holds it, for a checkpoint's metadata."""
    return asdict(config)


def config_from(architecture: Any) -> ModelConfig:
    """The configuration that `architecture_of` wrote."""
    fields = dict(architecture)
    encoder = dict(fields.pop("encoder"))
    encoder["global_blocks"] = tuple(encoder["global_blocks"])
    return ModelConfig(**fields, encoder=EncoderConfig(**encoder))
