"""A PNG holds the pixels that it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_pisam.export.png import write_png
from napari_pisam.images.read import read_image
from tests.images.image_files import pattern


def test_a_png_comes_back(tmp_path: Path) -> None:
    rgb = pattern(20, 30, 3, dtype="uint8")
    write_png(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)
