"""What is cut out, turned and changed: a mask stays on its object, and the first one leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_pisam.datasets.labelled import LabelledImage, find_pairs
from napari_pisam.geometry import Window
from napari_pisam.predict.window_search import LIGHT_SEARCH
from napari_pisam.train import crops
from napari_pisam.train.augment import dihedral, mirrored, photometric
from napari_pisam.train.crops import CropSampler, CropStyle, cut_crop, draw_fraction
from tests.train.conftest import DISCS

SIZE = 64


@pytest.fixture(scope="module")
def image(data_root: Path) -> LabelledImage:
    """Three bright discs, at columns 12, 36 and 60 of 72."""
    return find_pairs(data_root, DISCS)[0]


@pytest.mark.parametrize("window", ["object", "whole"])
@pytest.mark.parametrize("augment", ["none", "flip", "microscopy"])
def test_a_mask_covers_what_is_bright_however_the_crop_was_cut_and_turned(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, window: str, augment: str
) -> None:
    # brightness may be inverted: where things lie is another promise, below
    monkeypatch.setattr(crops, "photometric", lambda pixels, rng: pixels)
    style = CropStyle(size=SIZE, objects=3, window=window, augment=augment)
    sampler = CropSampler([(1.0, find_pairs(data_root, DISCS))], style)
    for seed in range(40):
        crop = sampler.draw(np.random.default_rng(seed))
        bright = crop.pixels[0] > 100
        for mask in crop.masks:
            assert bright[mask > 200].mean() > 0.97
            around = ndimage.binary_dilation(mask > 20, iterations=3) & (crop.masks.max(0) < 20)
            assert not around.any() or bright[around].mean() < 0.5


@pytest.mark.parametrize("turn", range(8))
def test_the_eight_symmetries_are_distinct_and_the_same_for_pixels_and_masks(turn: int) -> None:
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    turned = dihedral(np.stack([square, square + 16]), turn)
    assert np.array_equal(turned[0], dihedral(square, turn))
    assert np.array_equal(turned[1], turned[0] + 16)
    assert len({dihedral(square, t).tobytes() for t in range(8)}) == 8
    assert np.array_equal(mirrored(square)[:, 0], square[:, -1])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_photometric_changes_move_no_pixel(seed: int) -> None:
    pixels = np.full((3, 48, 48), 60, np.uint8)
    pixels[:, 6:20, 25:44] = 190
    found = photometric(pixels, np.random.default_rng(seed)).astype(float).mean(0)
    object_, ground = found[8:18, 27:42].mean(), np.delete(found, slice(3, 23), 0).mean()
    mirror = found[8:18, 6:21].mean()
    assert abs(mirror - ground) < 0.2 * abs(object_ - ground) + 8


@pytest.mark.parametrize("first", [1, 2, 3])
def test_the_object_that_a_crop_is_drawn_for_is_the_first_mask(
    image: LabelledImage, first: int
) -> None:
    style = CropStyle(size=SIZE, objects=3)
    window = Window(-6, 0, 72, 72)
    label_map = image.maps[0]
    for seed in range(5):
        crop = cut_crop(
            image,
            label_map,
            window=window,
            first=first,
            style=style,
            rng=np.random.default_rng(seed),
        )
        assert crop is not None
        assert len(crop.masks) == 3
        columns = [np.flatnonzero((m > 127).any(0)).mean() * 72 / SIZE for m in crop.masks]
        assert columns[0] == pytest.approx({1: 12, 2: 36, 3: 60}[first], abs=2)
        assert sorted(columns) == pytest.approx([12, 36, 60], abs=2)


def test_an_object_of_which_a_sliver_is_visible_gets_no_mask(image: LabelledImage) -> None:
    label_map = image.maps[0]
    areas = {o.id: o.area for o in label_map.objects}
    for x in range(0, 40, 4):
        window = Window(0, x, 60, 60)
        crop = cut_crop(
            image,
            label_map,
            window=window,
            first=2 if x < 36 else 3,
            style=CropStyle(size=SIZE, objects=3),
            rng=np.random.default_rng(0),
        )
        if crop is None:
            continue
        seen = label_map.labels[:, x : x + 60]
        large = [i for i, area in areas.items() if (seen == i).sum() > area / 3]
        assert len(crop.masks) <= max(len(large), 1)


def test_a_crop_without_its_object_is_none(image: LabelledImage) -> None:
    for window in (Window(500, 500, 40, 40), Window(0, 0, 60, 20)):
        crop = cut_crop(
            image,
            image.maps[0],
            window=window,
            first=3,
            style=CropStyle(size=SIZE, objects=1),
            rng=np.random.default_rng(0),
        )
        assert crop is None


def test_most_objects_are_drawn_as_large_as_prediction_shows_them() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_fraction(rng) for _ in range(2000)])
    near = (drawn > LIGHT_SEARCH.aim / 1.5) & (drawn < LIGHT_SEARCH.box_aim * 1.5)
    assert 0.55 < near.mean() < 0.75
    assert (drawn < LIGHT_SEARCH.least).mean() > 0.15, "a first look meets small ones"
    assert (drawn > 1).mean() > 0.02, "and some that are larger than the window"
