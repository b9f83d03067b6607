"""Labels and pictures of an opened image: each thing where it lies in the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.cli import opened
from napari_pisam.cli.opened import OpenImage, _middles, paint
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.read import read_image
from napari_pisam.images.source import PyramidSource
from napari_pisam.masks.placed import PlacedMask


@given(length=st.integers(1, 5000), factor=st.floats(1, 70))
def test_a_reduced_overlay_takes_its_labels_from_the_middle_of_its_pixels(
    length: int, factor: float
) -> None:
    count = max(1, int(length / factor))
    places = _middles(length, count)
    exact = (np.arange(count) + 0.5) * length / count - 0.5
    assert np.abs(places - exact).max() <= 0.5 + 1e-9
    assert 0 <= places[0] <= places[-1] < length


def test_the_outlines_of_a_reduced_overlay_lie_round_its_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "_MOST_PIXELS", 100 * 120)
    fine = np.full((400, 480), 99, np.uint8)
    image = OpenImage(
        PyramidSource([fine, fine[::4, ::4]]), IntensityWindow((0.0,), (255.0,)), None
    )
    labels = image.empty_labels()
    paint(labels, 3, PlacedMask(100, 240, np.ones((80, 160), np.bool_)))
    image.write_overlay(tmp_path / "o.png", labels)
    changed = (read_image(tmp_path / "o.png") != 99).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert changed.shape == (100, 120)
    # the object, and the dark line round it
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (24, 45, 59, 100)


def test_later_objects_cover_earlier_ones_where_their_masks_are_and_nowhere_else() -> None:
    labels = np.zeros((6, 8), np.uint32)
    ring = np.ones((3, 4), np.bool_)
    ring[1, 1:3] = False
    paint(labels, 1, PlacedMask(0, 0, np.ones((4, 4), np.bool_)))
    paint(labels, 70_000, PlacedMask(1, 2, ring))
    expected = np.zeros_like(labels)
    expected[:4, :4] = 1
    expected[1:4, 2:6][ring] = 70_000
    np.testing.assert_array_equal(labels, expected)
