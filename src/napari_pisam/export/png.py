"""RGB images as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_pisam.export.atomic import replacing


def write_png(path: str | Path, rgb8: NDArray[np.uint8]) -> None:
    """Write an RGB image, uint8 (H, W, 3), as PNG; all of it or nothing. Raises SaveError."""
    from PIL import Image

    with replacing(path) as file:
        Image.fromarray(rgb8).save(file, format="PNG")
