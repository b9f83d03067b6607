"""What is read of a file at once has the axes that it should have."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from napari_pisam.images.read import read_image, read_labels
from napari_pisam.images.source import ImageError
from tests.images.image_files import pattern


def test_read_image_gives_two_axes_for_one_channel(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "g.tif", pattern(20, 30))
    assert read_image(tmp_path / "g.tif").shape == (20, 30)
    tifffile.imwrite(tmp_path / "f.tif", pattern(20, 30, dtype="float32"))
    with pytest.raises(ImageError, match="no labels"):
        read_labels(tmp_path / "f.tif")
