"""Generated scenes: the mask is what the picture shows, at any size, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.datasets import generated
from napari_pisam.datasets.generated import LEAST_AREA, generated_scene, through_optics
from napari_pisam.datasets.outlines import KINDS, Outline, Part, rasterised


def made_up(rng: np.random.Generator) -> NDArray[np.uint8] | None:
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [64, 192])
def test_every_kind_draws_the_object_that_is_asked_for_first(kind: str, size: int) -> None:
    for seed in range(4):
        scene = generated_scene(
            np.random.default_rng(seed), size, objects=3, texture=made_up, kind=kind
        )
        assert scene.pixels.shape == (3, size, size)
        assert scene.pixels.dtype == scene.masks.dtype == np.uint8
        assert 1 <= len(scene.masks) <= 3
        assert scene.masks.shape[1:] == (size, size)
        assert ((scene.masks > 127).sum((1, 2)) >= LEAST_AREA).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_seed_gives_one_scene_and_no_pixel_belongs_to_two_objects(seed: int) -> None:
    one, same = (
        generated_scene(np.random.default_rng(seed), 96, objects=6, texture=made_up)
        for _ in range(2)
    )
    assert np.array_equal(one.pixels, same.pixels)
    assert np.array_equal(one.masks, same.masks)
    assert one.masks.astype(int).sum(0).max() <= 255


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_changes_along_the_outline_of_the_mask(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated, "through_optics", lambda p, rng: p.transpose(2, 0, 1))
    monkeypatch.setattr(generated, "_clouds", lambda rng, size: np.zeros((size, size), np.float32))
    seen = []
    for seed in range(6):
        scene = generated_scene(
            np.random.default_rng(seed), 128, objects=30, texture=made_up, kind=kind
        )
        share = scene.masks.max(0)
        if (share == 0).sum() < 200:
            continue
        ground = np.median(scene.pixels[:, share == 0], 1)[:, None]
        inside = np.abs(scene.pixels[:, share > 200] - ground).max(0)
        outside = np.abs(scene.pixels[:, share == 0] - ground).max(0)
        seen.append(np.median(inside) - np.median(outside))
    assert np.mean(seen) > 10


def test_real_textures_are_used() -> None:
    stripes = np.zeros((3, 64, 64), np.uint8)
    stripes[:, ::2] = 250
    asked = []

    def striped(rng: np.random.Generator) -> NDArray[np.uint8]:
        asked.append(1)
        return stripes

    scenes = [
        generated_scene(np.random.default_rng(i), 64, objects=1, texture=striped) for i in range(8)
    ]
    assert asked
    rough = [np.abs(np.diff(s.pixels.astype(int), axis=1)).mean() for s in scenes]
    assert max(rough) > 3 * min(rough)


def test_an_object_outside_the_picture_has_no_pixels_and_a_hole_is_left_out() -> None:
    square = np.array([[4.0, 4.0], [11.0, 4.0], [11.0, 11.0], [4.0, 11.0]])
    hole = Part(square / 2 + 4, hole=True)
    assert rasterised(Outline((Part(square - 40),)), 16) is None
    shape = rasterised(Outline((Part(square), hole)), 16)
    assert shape is not None
    assert shape.share[7 - shape.y, 7 - shape.x] == 0
    assert shape.share[5 - shape.y, 5 - shape.x] == 255


@settings(deadline=None, max_examples=30)
@given(x=st.floats(2, 40), width=st.floats(1, 8))
def test_a_line_covers_as_much_as_it_is_wide(x: float, width: float) -> None:
    path = np.array([[x, -10.0], [x, 60.0]])
    shape = rasterised(Outline((Part(path, width=width),)), 48)
    assert shape is not None
    assert shape.share.astype(float).sum(1).mean() / 255 == pytest.approx(
        min(width, x + width / 2 + 0.5), abs=0.8
    )


def test_optics_move_nothing() -> None:
    pixels = np.full((64, 64, 3), 40, np.uint8)
    pixels[16:48, 16:48] = 200
    middles = []
    for seed in range(40):
        values = through_optics(pixels, np.random.default_rng(seed)).astype(float).mean(0)
        inside = values > (values.min() + values.max()) / 2
        rows, columns = np.nonzero(inside)
        middles.append((rows.mean(), columns.mean()))
    assert np.median(middles, 0) == pytest.approx((31.5, 31.5), abs=0.1)
