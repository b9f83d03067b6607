"""Objects drawn over the image: fill, outline and colours."""

from __future__ import annotations

import numpy as np
import pytest

from napari_pisam.export import overlay as overlay_module
from napari_pisam.export.overlay import PALETTE, label_colors, overlay
from tests.export.discs import disk


def test_the_ground_is_untouched_and_objects_are_marked() -> None:
    rgb, labels = np.full((60, 60, 3), 200, np.uint8), disk()
    drawn = overlay(rgb, labels)
    color = label_colors(np.array(3))
    far = np.zeros((60, 60), bool)
    far[:5] = True
    assert (drawn[far] == 200).all()
    assert (drawn[30, 30] == np.rint(200 * 0.7 + color * 0.3)).all()
    first = np.flatnonzero(labels[30])[0]
    assert (drawn[30, first] == color).all()
    assert (drawn[30, first - 1] < 100).all()
    assert (rgb == 200).all()


def test_outlines_are_thin_and_the_image_edge_is_none() -> None:
    rgb, labels = np.zeros((100, 100, 3), np.uint8), np.ones((100, 100), np.uint16)
    fill = np.rint(PALETTE[0] * 0.3)
    assert (overlay(rgb, labels) == fill).all()
    labels[:, 50:] = 2
    edge = (overlay(rgb, labels) == PALETTE[0]).all(-1)
    assert np.flatnonzero(edge.any(0)).tolist() == [49]


def test_the_first_seven_colours_differ_and_columns_do_not_match() -> None:
    colors = [tuple(c) for c in label_colors(np.arange(1, 57)).tolist()]
    assert len(set(colors[:7])) == 7
    assert len({colors[i] for i in range(0, 56, 7)}) == 7


@pytest.mark.parametrize("at", [10, 1023, 1024, 1500])
def test_bands_leave_no_seam(at: int) -> None:
    labels = np.zeros((2100, 30), np.uint8)
    labels[at : at + 20, 5:25] = 1
    width = round(2100 / overlay_module.OUTLINE_SHARE)
    edge, rim = overlay_module._outlines(labels, width)
    drawn = overlay(np.full((2100, 30, 3), 99, np.uint8), labels)
    np.testing.assert_array_equal((drawn == PALETTE[0]).all(-1), edge)
    np.testing.assert_array_equal((drawn == 33).all(-1), rim)


def test_an_overlay_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        overlay(np.zeros((5, 5, 3), np.uint8), np.zeros((6, 5), np.uint8))
