"""All pixels of one image plane of a file, as an array."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.files import open_images, open_source
from napari_pisam.images.source import ImageError, PyramidSource


def read_image(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """All pixels of the first image of a file: (H, W), or (H, W, C) without alpha, as stored.

    plane: see files.open_source. Raises ImageError, one sentence.
    """
    return _all_of(open_source(path, plane=plane), path)


def _all_of(source: PyramidSource, path: str | Path) -> NDArray[Any]:
    try:
        pixels = np.array(source.read(Window(0, 0, source.height, source.width)))
    except MemoryError:
        size = f"{source.height} x {source.width}"
        raise ImageError(f"{Path(path).name} ({size}) does not fit into memory.") from None
    return pixels[..., 0] if source.channels == 1 else pixels


def read_stored(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """As `read_image`, but with the numbers of a colour table or of inverted gray as they are."""
    image = open_images(path)[0]
    return _all_of((image.stored or image).plane(plane), path)


def read_labels(path: str | Path, *, plane: Mapping[str, int] | None = None) -> NDArray[Any]:
    """A label image: (H, W), integers, the numbers of a palette and not its colours.

    Raises ImageError when the file holds something else.
    """
    labels = read_stored(path, plane=plane)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise ImageError(
            f"{Path(path).name} holds no labels: one channel of whole numbers is needed."
        )
    return labels
