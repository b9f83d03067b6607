"""Which device and which number format: those that the hardware computes quickly."""

from __future__ import annotations

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX512-bf16 or AMX).

    Without it torch falls back to code that was measured two hundred times slower than float32.
    """
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in probes)


def best_device() -> str:
    """The name of the quickest kind of device that is there: cuda, mps or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def bf16_is_fast(device: str) -> bool:
    """Whether bf16 pays on that device; "auto" means the one `best_device` would take."""
    kind = best_device() if device == "auto" else device.partition(":")[0]
    if kind == "cpu":
        return cpu_has_bf16()
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return False


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the quickest there is.

    Raises ValueError with one sentence for a device that is not there.
    """
    wanted = best_device() if name == "auto" else name
    kind = wanted.partition(":")[0]
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(kind, False):
        usable = ", ".join(k for k, is_there in there.items() if is_there)
        raise ValueError(f"There is no device {name!r} here; there is {usable}.")
    return torch.device(wanted)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of that name; "auto" is what the device does well.

    bfloat16 where the hardware has it, float16 on other CUDA devices, else float32. Raises
    ValueError for an unknown name.
    """
    if name != "auto":
        if name not in DTYPES:
            raise ValueError(f"There is no dtype {name!r}; there are auto, {', '.join(DTYPES)}.")
        return DTYPES[name]
    if bf16_is_fast(device.type):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def channels_last_pay(device: torch.device) -> bool:
    """Whether convolutions are quickest with the channels last in memory.

    Measured on CPUs (a depthwise one five times as quick); tensor cores want them so too.
    """
    return device.type in ("cpu", "cuda")
