"""All pixels of one image plane of a file, as an array."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.files import open_source
from napari_pisam.images.source import ImageError


def read_image(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """All pixels of the first image of a file: (H, W), or (H, W, C) without alpha, as stored.

    plane: see files.open_source. Raises ImageError, one sentence.
    """
    source = open_source(path, plane=plane)
    try:
        pixels = np.array(source.read(Window(0, 0, source.height, source.width)))
    except MemoryError:
        size = f"{source.height} x {source.width}"
        raise ImageError(f"{Path(path).name} ({size}) does not fit into memory.") from None
    return pixels[..., 0] if source.channels == 1 else pixels


def read_labels(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """A label image: (H, W), integers. Raises ImageError when the file holds something else."""
    labels = read_image(path, plane=plane)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise ImageError(
            f"{Path(path).name} holds no labels: one channel of whole numbers is needed."
        )
    return labels
