"""The network: pure torch, no file format, no image class, no prompt class.

Names are loaded on first use: the checkpoint reader alone does not need segment-anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_pisam.model.loading import load_decoder, load_model, load_pisam
    from napari_pisam.model.pisam import PiSam

__all__ = ["PiSam", "load_decoder", "load_model", "load_pisam"]

_HOME_OF_NAME = {
    "PiSam": "pisam",
    "load_decoder": "loading",
    "load_model": "loading",
    "load_pisam": "loading",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF_NAME[name]}"), name)
    return value
