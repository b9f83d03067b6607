"""Loading a model into the process of a viewer, which has a graphics driver in it already."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_pisam.session.engine import Engine

if TYPE_CHECKING:
    from napari_pisam.predict.predictor import Predictor

TRITON = "triton"


@contextmanager
def without_triton() -> Iterator[None]:
    """While it is open, `import triton` fails as if it were not installed.

    torchvision imports torch's compiler, which imports triton where that is installed. Triton
    brings an LLVM of its own, and the process dies when the graphics driver (Mesa's, for AMD
    cards and for software rendering) has loaded another one before. Nothing here compiles with it.
    """
    if TRITON in sys.modules:
        yield
        return
    sys.modules[TRITON] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[TRITON]


def engine_for(model: str) -> Engine:
    """The engine that answers with a model: a name of the zoo, or the path of a weights file."""

    def load() -> Predictor:
        with without_triton():
            from napari_pisam.predict.predictor import load_predictor

            return load_predictor(model)

    return Engine(load)
