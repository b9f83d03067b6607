"""Gray layers as the channels of one image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_pisam.geometry import Window
from napari_pisam.images.bands import BandSource
from napari_pisam.images.source import ArraySource, PyramidSource, best_level


@pytest.mark.parametrize("first", ["pyramid", "plain"])
def test_a_pyramid_and_a_plain_layer_are_read_together_where_both_have_pixels(first: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 48), np.uint8)
    pyramid = PyramidSource([pixels, pixels[::2, ::2], pixels[::4, ::4]])
    plain = ArraySource(pixels.T[::-1].copy().T)
    pair = [pyramid, plain] if first == "pyramid" else [plain, pyramid]
    bands = BandSource(pair)
    level = best_level(bands, 4.0)
    shown = bands.read(Window(0, 0, 64, 48, level=level))
    assert shown.shape == (64, 48, 2)
    assert len(bands.levels) == bands.stored_levels == 1
    assert BandSource([pyramid, pyramid]).levels == pyramid.levels
