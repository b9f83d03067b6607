"""Pi-SAM for napari, for Python and for the shell: point, look, correct, keep.

Public names are loaded on first use, so that importing the package costs no time: neither numpy
nor torch nor Qt is imported before something needs it.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take this name for true; importing typing for it would cost half of the time.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from napari_pisam.geometry import Window
    from napari_pisam.masks.placed import PlacedMask
    from napari_pisam.predict.predictor import Predictor, load_predictor
    from napari_pisam.predict.results import SegmentResult
    from napari_pisam.prompts import Box, Click, Prompt

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Click",
    "PlacedMask",
    "Predictor",
    "Prompt",
    "SegmentResult",
    "Window",
    "__version__",
    "load_predictor",
]

_HOME_OF_NAME = {
    "Box": "prompts",
    "Click": "prompts",
    "PlacedMask": "masks.placed",
    "Predictor": "predict.predictor",
    "Prompt": "prompts",
    "SegmentResult": "predict.results",
    "Window": "geometry",
    "load_predictor": "predict.predictor",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF_NAME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
