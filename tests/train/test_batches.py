"""Batches: the same number, the same batch; windows that hold their object; drawn structures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.datasets.labelled import LabelledDataError, LabelledObject, LabelMap, find_pairs
from napari_pisam.train import crops
from napari_pisam.train.batches import StepBatch, StepDataset
from napari_pisam.train.crops import (
    WHOLE_PAD,
    Crop,
    CropSampler,
    CropStyle,
    draw_window,
    pasted,
)
from napari_pisam.train.prompting import draw_prompts
from tests.train.conftest import DISCS

STYLE = CropStyle(size=64, objects=3)


def dataset(
    root: Path, *, seed: tuple[int, int] = (42, 0), style: CropStyle = STYLE
) -> StepDataset:
    sampler = CropSampler([(1.0, find_pairs(root, DISCS))], style)
    return StepDataset(sampler, crops=2, low=16, prompts={}, seed=seed)


def flattened(batch: StepBatch) -> list[torch.Tensor]:
    prompts = [v for v in batch.prompts if isinstance(v, torch.Tensor)]
    return [batch.pixels, batch.window_of, batch.masks, *prompts]


def test_the_same_number_gives_the_same_batch_in_any_order(data_root: Path) -> None:
    first, second = dataset(data_root), dataset(data_root)
    wanted = [first[i] for i in range(4)]
    for number in (3, 0, 2):
        pairs = zip(flattened(second[number]), flattened(wanted[number]), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_another_number_process_or_seed_gives_another_batch(data_root: Path) -> None:
    here = dataset(data_root)[1]
    others = [
        dataset(data_root)[2],
        dataset(data_root, seed=(42, 1))[1],
        dataset(data_root, seed=(43, 0))[1],
    ]
    assert not any(torch.equal(here.pixels, other.pixels) for other in others)


def test_a_batch_has_the_documented_shapes(data_root: Path) -> None:
    batch = dataset(data_root)[0]
    assert batch.pixels.shape == (2, 3, 64, 64)
    assert batch.pixels.dtype == torch.uint8
    assert batch.masks.shape == (len(batch.window_of), 64, 64)
    assert (batch.masks > 127).flatten(1).any(1).all()
    assert batch.window_of.tolist() == sorted(batch.window_of.tolist())
    assert all(1 <= (batch.window_of == i).sum() <= 3 for i in range(2))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 60), st.sampled_from([64, 512]))
def test_the_object_is_in_its_window(seed: int, height: int, width: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = int(rng.integers(200 - height)), int(rng.integers(200 - width))
    labels = np.zeros((200, 200), np.int32)
    labels[y : y + height, x : x + width] = 5
    item = LabelledObject(5, y, x, y + height, x + width, height * width)
    window = draw_window(item, LabelMap(labels, (item,)), size, rng=rng)
    inside = window.inside(200, 200)
    assert window.height == window.width
    assert inside is not None
    seen = labels[inside.y : inside.y + inside.height, inside.x : inside.x + inside.width]
    assert (seen == 5).any()


@given(st.integers(0, 2**32), st.integers(64, 3000), st.sampled_from([64, 512]))
def test_an_object_as_long_as_its_image_is_not_drawn_smaller_than_prediction_sees_it(
    seed: int, length: int, size: int
) -> None:
    item = LabelledObject(1, 0, 0, 2, length, 2 * length)
    label_map = LabelMap(np.ones((2, length), np.int32), (item,))
    window = draw_window(item, label_map, size, rng=np.random.default_rng(seed))
    assert window.height <= 3 * length + 1


@pytest.mark.parametrize("augment", ["flip", "none"])
def test_a_whole_window_shows_the_image_squeezed(data_root: Path, augment: str) -> None:
    style = CropStyle(size=64, objects=3, window="whole", augment=augment)
    images = find_pairs(data_root, DISCS)
    sampler = CropSampler([(1.0, images[:1])], style)
    drawn = [sampler.draw(np.random.default_rng(i)) for i in range(12)]
    scales = [int((c.masks[0] > 127).sum()) for c in drawn]
    assert (len(set(scales)) == 3) if augment == "none" else len(set(scales)) > 3
    reduced = [c for c in drawn if (c.pixels[:, -1] == WHOLE_PAD).all()]
    assert bool(reduced) == (augment == "flip")


def test_images_beyond_the_memory_limit_are_freed(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "KEPT_BYTES", 1)
    images = find_pairs(data_root, DISCS)
    sampler = CropSampler([(1.0, images)], STYLE)
    rng = np.random.default_rng(0)
    for _ in range(12):
        sampler.draw(rng)
    assert sum(bool(i.kept_bytes) for i in images) == 1


def test_masks_without_objects_are_an_error_of_one_sentence(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "MOST_TRIES", 3)
    images = find_pairs(data_root, DISCS)
    for image in images:
        image.min_area = 10**6
    with pytest.raises(LabelledDataError, match="No object was found in 3 tries"):
        CropSampler([(1.0, images)], STYLE).draw(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("kind", "given_parts"),
    [
        ("click", (True, False, False)),
        ("box", (False, True, False)),
        ("box_mask", (False, True, True)),
        ("click_mask", (True, False, True)),
        ("mask", (False, False, True)),
    ],
)
def test_prompts_are_of_the_kind_that_the_odds_name(
    kind: str, given_parts: tuple[bool, bool, bool]
) -> None:
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[:, 10:30, 20:50] = 255
    drawn = draw_prompts(masks, np.random.default_rng(3), 16, odds={kind: 2.0})
    parts = (drawn.points_xy_input, drawn.boxes_xyxy_input, drawn.mask_input)
    assert tuple(p is not None for p in parts) == given_parts
    assert drawn.ambiguous == (kind == "click")
    if drawn.points_xy_input is not None:
        assert ((drawn.points_xy_input >= 0) & (drawn.points_xy_input < 64)).all()
    if drawn.mask_input is not None:
        assert drawn.mask_input.shape == (2, 1, 16, 16)


def test_several_points_begin_on_the_object() -> None:
    masks = np.zeros((3, 64, 64), np.uint8)
    masks[:, 10:30, 20:50] = 255
    drawn = draw_prompts(masks, np.random.default_rng(0), 16, odds={"points": 1.0})
    assert drawn.points_xy_input is not None
    assert drawn.point_labels is not None
    assert drawn.point_labels[:, 0].tolist() == [1, 1, 1]
    for (x, y), *_ in drawn.points_xy_input.tolist():
        assert masks[0, round(y), round(x)] == 255


def test_synthetic_windows_show_drawn_scenes_and_objects_on_another_ground(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = CropStyle(size=64, objects=3, synthetic=1.0)
    sampler = CropSampler([(1.0, find_pairs(data_root, DISCS))], style)
    grounds: list[NDArray[np.uint8]] = []

    def watched(crop: Crop, ground: NDArray[np.uint8], rng: np.random.Generator) -> Crop:
        grounds.append(ground)
        return pasted(crop, ground, rng)

    monkeypatch.setattr(crops, "pasted", watched)
    for seed in range(12):
        crop = sampler.draw(np.random.default_rng(seed))
        assert crop.pixels.shape == (3, 64, 64)
        assert (crop.masks > 127).any((1, 2)).all()
    assert 0 < len(grounds) < 12
    assert all(g.shape == (3, 64, 64) for g in grounds)


def test_a_pasted_object_stands_on_the_new_ground() -> None:
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[0, 20:40, 20:40] = 255
    crop = Crop(np.full((3, 64, 64), 200, np.uint8), mask)
    made = pasted(crop, np.full((3, 64, 64), 50, np.uint8), np.random.default_rng(0))
    assert np.array_equal(made.masks, mask)
    assert (made.pixels[:, 25:35, 25:35] == 200).all()
    assert (made.pixels[:, :10] == 50).all()
