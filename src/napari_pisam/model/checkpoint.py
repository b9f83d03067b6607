"""What a weights file is, known from its key names and shapes, and its strict load into a module.

Nothing is ever unpickled: torch files are read with ``weights_only=True``, ours with safetensors.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import struct
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Kind = Literal["sam", "hq_sam", "pi_decoder", "hq_mask_decoder", "sam_mask_decoder", "pisam"]

KIND_NAMES: Mapping[Kind, str] = {
    "sam": "a whole SAM",
    "hq_sam": "a whole HQ-SAM",
    "pi_decoder": "a Pi-SAM decoder",
    "hq_mask_decoder": "HQ-SAM's mask decoder alone",
    "sam_mask_decoder": "SAM's mask decoder alone",
    "pisam": "a napari-pisam model",
}
ENCODER_WIDTHS: Mapping[str, int] = {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}
FORMAT = "napari-pisam"
REQUIRED_METADATA = ("architecture", "window", "licence", "training", "version")
_JSON_METADATA = ("architecture", "window", "training")
_WRAPPERS = ("model_state_dict", "state_dict", "model")
_IGNORED = "bnd_op.laplacian_kernel"
_SAM_DECODER_PARTS = frozenset(
    ("transformer", "iou_token", "mask_tokens", "output_upscaling", "iou_prediction_head")
) | {"output_hypernetworks_mlps"}
# What torch and safetensors raise for bytes that are not what they seem; found by damaging files.
_READ_ERRORS = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    OSError,
    MemoryError,
    struct.error,
    SafetensorError,
)


class CheckpointError(ValueError):
    """A weights file is not what was asked for; the message is one sentence for the user."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights, and what they are.

    state: names without wrapper and without ``module.``. kind: see KIND_NAMES. encoder: "vit_b",
    "vit_l", "vit_h", or None for another or an unknown width. width: channels of the encoder's
    early features, None where it is unknown. metadata: of a "pisam" file, else empty.
    path: None for a state dict in memory.
    """

    state: Mapping[str, Tensor]
    kind: Kind
    encoder: str | None = None
    width: int | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    path: Path | None = None

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"'{self.path.name}'" if self.path else "The state dict"

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under ``prefix`` (such as "mask_decoder."), the prefix taken off."""
        start = len(prefix)
        return {name[start:]: t for name, t in self.state.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class LoadReport:
    """What a load left out: optional prefixes absent from the file, tensors of it ignored."""

    absent: tuple[str, ...]
    ignored: tuple[str, ...]


def read_state(source: str | Path | Mapping[str, Tensor]) -> Checkpoint:
    """Read a weights file, or take a state dict, and identify it.

    Files are mapped into memory where their format allows it. Raises CheckpointError with one
    sentence for anything that is no checkpoint of ours, SAM's, HQ-SAM's or Pi-SAM's.
    """
    if isinstance(source, Mapping):
        return _identify(source, {}, None)
    path = Path(source).expanduser()
    raw, metadata = _read_file(path)
    return _identify(raw, metadata, path)


def require(checkpoint: Checkpoint, kinds: Iterable[Kind], *, encoder: str | None = None) -> None:
    """Raise CheckpointError unless the checkpoint is one of ``kinds`` and fits ``encoder``.

    An encoder that is not in ENCODER_WIDTHS is not compared; load_into then compares shapes.
    """
    allowed = tuple(kinds)
    what = KIND_NAMES[checkpoint.kind]
    if checkpoint.kind not in allowed:
        wanted = " or ".join(KIND_NAMES[kind] for kind in allowed)
        raise CheckpointError(f"{checkpoint.label} is {what}; {wanted} was expected.")
    needed = ENCODER_WIDTHS.get(encoder or "")
    if needed is None or checkpoint.width is None or checkpoint.width == needed:
        return
    found = checkpoint.encoder or f"an encoder of width {checkpoint.width}"
    raise CheckpointError(
        f"{checkpoint.label} is {what} for {found}, but the encoder asked for is {encoder}: "
        f"choose that encoder, or give a file made for {encoder}."
    )


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    expected: str,
    optional: Iterable[str] = (),
    label: str = "The file",
) -> LoadReport:
    """Copy ``state`` into ``module``, all of it or nothing.

    expected: what the module is, for the message ("a Pi-SAM decoder for vit_b"). optional:
    prefixes of the module's names that the file may lack as a whole; what it lacks is reported
    and keeps its present values. Tensors are converted to the module's precision. Raises
    CheckpointError, with the module untouched, when names or shapes differ.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state and not name.endswith(_IGNORED)]
    absent = tuple(prefix for prefix in optional if _lacks_whole(prefix, own, missing))
    missing = [name for name in missing if not name.startswith(absent)]
    extra = [name for name in state if name not in own]
    ignored = tuple(name for name in extra if name.endswith(_IGNORED))
    unexpected = [name for name in extra if not name.endswith(_IGNORED)]
    problem = _name_problem(missing, unexpected, len(own)) or _shape_problem(own, state)
    if problem:
        raise CheckpointError(f"{label} does not fit {expected}: {problem}.")
    # Names and shapes were compared above, so what strict would refuse is exactly the report.
    module.load_state_dict({n: t for n, t in state.items() if n in own}, strict=False)
    return LoadReport(absent=absent, ignored=ignored)


def write_pisam(
    path: str | Path,
    state: Mapping[str, Tensor],
    metadata: Mapping[str, object],
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a model in our format: safetensors with metadata, complete or not at all.

    metadata: every name of REQUIRED_METADATA; ``architecture``, ``window`` and ``training`` are
    anything that JSON holds, all else text. dtype: float16 halves the file; vectors (norms,
    biases) and position phases stay as they are, because they are tiny and lose most. Raises
    ValueError for lacking metadata or weights too large for the dtype, OSError if the disk refuses.
    """
    target = Path(path)
    header = _encode_metadata(metadata)
    # A copy each: safetensors refuses tensors that share memory or are not contiguous.
    tensors = {name: _converted(name, tensor, dtype) for name, tensor in state.items()}
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, partial, metadata=header)
        partial.chmod(0o644)  # safetensors makes it readable for its owner alone
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, target)
    except (OSError, SafetensorError) as error:
        raise OSError(f"'{target}' could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read_file(path: Path) -> tuple[object, Mapping[str, str]]:
    """The raw content and, of a safetensors file, its metadata."""
    head = _first_bytes(path)
    if _looks_like_safetensors(path, head):
        return _read_safetensors(path)
    return _read_torch(path, head), {}


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"'{path}' is a folder; the weights file inside it was expected.")
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file '{path}'.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' cannot be read: {error}.") from error
    if not head:
        raise CheckpointError(f"'{path.name}' is empty; download it again.")
    # A safetensors file may begin with "<" as well: the lowest byte of its header's length.
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"\0" not in head[:8]:
        raise CheckpointError(
            f"'{path.name}' is a web page (HTML), not a weights file: download the file itself, "
            "not the page about it."
        )
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"'{path.name}' is a Git LFS pointer, not the weights file it stands for: fetch that "
            "with `git lfs pull`."
        )
    return head


def _looks_like_safetensors(path: Path, head: bytes) -> bool:
    # The format begins with the header's length in 8 bytes and the brace of the JSON header.
    return path.suffix == ".safetensors" or head[8:9] == b"{"


def _read_safetensors(path: Path) -> tuple[object, Mapping[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            metadata: Mapping[str, str] = stream.metadata() or {}
            names: list[str] = list(stream.keys())
            return {name: stream.get_tensor(name) for name in names}, metadata
    except _READ_ERRORS as error:
        raise CheckpointError(
            f"'{path.name}' is not a sound safetensors file: its header does not agree with its "
            "content, so it is truncated, damaged or of another kind; download it again."
        ) from error


def _read_torch(path: Path, head: bytes) -> object:
    zipped = head.startswith(b"PK\x03\x04")
    if not zipped and not head.startswith(b"\x80"):
        raise CheckpointError(
            f"'{path.name}' is no weights file: a torch checkpoint (.pth, .pt) or a safetensors "
            "file was expected."
        )
    try:
        with warnings.catch_warnings():
            # Torch's remarks on odd pickles ask the user to write to torch; ours is the error.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL ([\w.]+)", str(error))
        holds = f"holds Python objects ({name[1]})" if name else "is a pickle of Python objects"
        raise CheckpointError(
            f"'{path.name}' {holds} beside or instead of plain tensors and is not loaded, because "
            "it may contain code; save the state dict alone."
        ) from error
    except _READ_ERRORS as error:
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"'{path.name}' is a TorchScript program and is not loaded, because it contains "
                "code; save the state dict alone."
            ) from error
        raise CheckpointError(
            f"'{path.name}' is truncated, damaged or no torch checkpoint; download it again."
        ) from error


def _identify(raw: object, metadata: Mapping[str, str], path: Path | None) -> Checkpoint:
    label = f"'{path.name}'" if path else "The state dict"
    state = _plain_state(raw, label)
    if metadata.get("format") == FORMAT:
        decoded = _decode_metadata(metadata, label)
        return Checkpoint(state, "pisam", metadata=decoded, path=path)
    kind = _kind(state, label)
    width = _width(state)
    encoder = next((name for name, w in ENCODER_WIDTHS.items() if w == width), None)
    return Checkpoint(state, kind, encoder=encoder, width=width, path=path)


def _plain_state(raw: object, label: str) -> dict[str, Tensor]:
    """The tensors by name: wrapper and DDP prefix taken off, everything else refused."""
    if isinstance(raw, Mapping):
        wrapped = (raw[key] for key in _WRAPPERS if isinstance(raw.get(key), Mapping))
        raw = next(wrapped, raw)
    state: dict[str, Tensor] = {}
    for name, value in raw.items() if isinstance(raw, Mapping) else ():
        plain = isinstance(value, Tensor) and not value.is_meta and not value.is_quantized
        if not isinstance(name, str) or not plain or value.layout != torch.strided:
            raise CheckpointError(
                f"{label} is no state dict: its entry '{name}' is not a plain tensor."
            )
        state[name] = value
    if not state:
        raise CheckpointError(f"{label} holds no network weights; a state dict was expected.")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _kind(state: Mapping[str, Tensor], label: str) -> Kind:
    parts = {name.split(".", 1)[0] for name in state}
    if {"image_encoder", "prompt_encoder"} <= parts:
        if "image_encoder.patch_embed.proj.weight" not in state:
            raise CheckpointError(
                f"{label} is a SAM whose image encoder is not a ViT (as in MobileSAM or HQ-SAM "
                "tiny); an encoder vit_b, vit_l or vit_h was expected."
            )
        return "hq_sam" if "mask_decoder.hf_token.weight" in state else "sam"
    if {"hf_token", "compress_vit_feat", "transformer"} <= parts:
        return "pi_decoder" if "mask_aspp" in parts else "hq_mask_decoder"
    if parts == _SAM_DECODER_PARTS:
        return "sam_mask_decoder"
    shown = ", ".join(sorted(parts)[:5])
    more = f" and {len(parts) - 5} more" if len(parts) > 5 else ""
    raise CheckpointError(
        f"{label} holds another network (its parts: {shown}{more}); a SAM, HQ-SAM, Pi-SAM or "
        "napari-pisam checkpoint was expected."
    )


def _width(state: Mapping[str, Tensor]) -> int | None:
    """Channels of the encoder that the weights belong to, None where it is unknown."""
    for name in ("image_encoder.patch_embed.proj.weight", "compress_vit_feat.0.weight"):
        if name in state and state[name].ndim == 4:
            return int(state[name].shape[0])
    return None


def _decode_metadata(metadata: Mapping[str, str], label: str) -> dict[str, object]:
    decoded: dict[str, object] = dict(metadata)
    try:
        for key in _JSON_METADATA:
            decoded[key] = json.loads(metadata[key])
        lacking = [key for key in REQUIRED_METADATA if key not in decoded]
    except KeyError as error:
        lacking = [str(error.args[0])]
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{label} is a napari-pisam model whose metadata '{key}' cannot be read."
        ) from error
    if lacking:
        raise CheckpointError(f"{label} is a napari-pisam model without metadata '{lacking[0]}'.")
    return decoded


def _encode_metadata(metadata: Mapping[str, object]) -> dict[str, str]:
    lacking = [key for key in REQUIRED_METADATA if key not in metadata]
    if lacking:
        raise ValueError(f"A napari-pisam model needs the metadata {', '.join(lacking)}.")
    encoded = {"format": FORMAT}
    for key, value in metadata.items():
        encoded[key] = json.dumps(value) if key in _JSON_METADATA else str(value)
    return encoded


def _converted(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    copy = tensor.detach().to("cpu", copy=True).contiguous()
    if dtype is None or not copy.is_floating_point() or copy.ndim < 2 or "gaussian" in name:
        return copy
    half = copy.to(dtype)
    if bool(torch.isfinite(copy).all()) and not bool(torch.isfinite(half).all()):
        raise ValueError(f"The weights '{name}' are too large for {dtype}.")
    return half


def _lacks_whole(prefix: str, own: Iterable[str], missing: Iterable[str]) -> bool:
    there = [name for name in own if name.startswith(prefix) and not name.endswith(_IGNORED)]
    return bool(there) and set(there) <= set(missing)


def _name_problem(missing: list[str], unexpected: list[str], total: int) -> str:
    problems = []
    if missing:
        problems.append(f"it lacks {len(missing)} of {total} tensors (first: {missing[0]})")
    if unexpected:
        problems.append(f"it has {len(unexpected)} others (first: {unexpected[0]})")
    return " and ".join(problems)


def _shape_problem(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    for name, tensor in state.items():
        target = own.get(name)
        if target is None:
            continue
        if target.shape != tensor.shape:
            found, needed = tuple(tensor.shape), tuple(target.shape)
            return f"its tensor {name} has the shape {found} instead of {needed}"
        if target.is_floating_point() != tensor.is_floating_point():
            return f"its tensor {name} is of type {tensor.dtype} instead of {target.dtype}"
    return ""
