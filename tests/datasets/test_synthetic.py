"""Synthetic tissue: a pixel depends on its place alone, and the ground truth fits the pixels."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.datasets.synthetic import Kind, SyntheticTissue, TissueArray
from napari_pisam.geometry import Window
from napari_pisam.images.source import as_source

TISSUE = SyntheticTissue(400, 520, seed=3)
WHOLE = TISSUE.region(Window(0, 0, 400, 520))


@settings(deadline=None, max_examples=30)
@given(
    y=st.integers(-50, 450), x=st.integers(-50, 560), h=st.integers(1, 200), w=st.integers(1, 200)
)
def test_a_region_is_the_same_whichever_larger_one_it_is_cut_from(
    y: int, x: int, h: int, w: int
) -> None:
    made = SyntheticTissue(400, 520, seed=3).region(Window(y, x, h, w))
    part = Window(y, x, h, w).inside(400, 520)
    if part is None:
        assert made.pixels.shape[:2] in ((0, 0), (h, 0), (0, w))
        return
    cut = np.s_[part.y : part.y + part.height, part.x : part.x + part.width]
    np.testing.assert_array_equal(made.pixels, WHOLE.pixels[cut])
    np.testing.assert_array_equal(made.cells, WHOLE.cells[cut])
    np.testing.assert_array_equal(made.nuclei, WHOLE.nuclei[cut])


def test_every_row_and_column_alone_is_the_same() -> None:
    for y in range(0, 400, 9):
        row = TISSUE.region(Window(y, 0, 1, 520))
        np.testing.assert_array_equal(row.pixels[0], WHOLE.pixels[y])
    for x in range(0, 520, 9):
        column = TISSUE.region(Window(0, x, 400, 1))
        np.testing.assert_array_equal(column.cells[:, 0], WHOLE.cells[:, x])


@pytest.mark.parametrize("kind", ["nuclei", "membranes", "cell labels", "nucleus labels"])
@pytest.mark.parametrize("step", [1, 2, 5, 16])
def test_a_lazy_level_is_every_step_th_pixel(kind: Kind, step: int) -> None:
    views: dict[Kind, NDArray[Any]] = {
        "nuclei": WHOLE.pixels[..., 0],
        "membranes": WHOLE.pixels[..., 1],
        "cell labels": WHOLE.cells,
        "nucleus labels": WHOLE.nuclei,
    }
    full = views[kind]
    level = TissueArray(TISSUE, kind, step)
    expected = full[step // 2 :: step, step // 2 :: step]
    assert level.shape == expected.shape
    assert level.dtype == expected.dtype
    np.testing.assert_array_equal(level[...], expected)
    np.testing.assert_array_equal(level[3:9, 4:20:3], expected[3:9, 4:20:3])
    np.testing.assert_array_equal(level[-1, 2:4], expected[-1, 2:4])
    assert level[2, 3] == expected[2, 3]


def test_the_tissue_is_the_same_in_every_version_and_on_every_machine() -> None:
    stored = WHOLE.pixels.astype("<u2").tobytes() + WHOLE.cells.astype("<u4").tobytes()
    expected = "2c7ce9089556c034f5336039ef867ff9eaf2e04c47a2243786276e059c043528"
    assert hashlib.sha256(stored).hexdigest() == expected


def test_what_a_caller_changes_stays_with_the_caller() -> None:
    tissue = SyntheticTissue(64, 64)
    level = tissue.levels("nuclei")[0]
    first = level[...].copy()
    tissue.region(Window(0, 0, 64, 64)).pixels[...] = 0
    np.testing.assert_array_equal(level[...], first)
    assert not level[...].flags.writeable


def test_another_seed_is_another_tissue() -> None:
    other = SyntheticTissue(400, 520, seed=4).region(Window(0, 0, 400, 520))
    assert (other.cells != WHOLE.cells).mean() > 0.3


def test_every_cell_is_one_piece_with_its_nucleus_inside() -> None:
    made = SyntheticTissue(900, 900, seed=1).region(Window(0, 0, 900, 900))
    boxes = ndimage.find_objects(made.cells.astype(np.int32))
    cells = [(i + 1, box) for i, box in enumerate(boxes) if box is not None]
    assert len(cells) > 200
    whole = 0
    for number, box in cells:
        if box[0].start == 0 or box[1].start == 0 or box[0].stop == 900 or box[1].stop == 900:
            continue
        cell = made.cells[box] == number
        pieces, count = ndimage.label(cell)
        largest = max(np.bincount(pieces.ravel())[1:])
        whole += largest > 0.98 * cell.sum() or count == 1
        assert 100 < cell.sum() < 6000
    assert whole > 0.97 * 0.8 * len(cells)
    assert ((made.nuclei == 0) | (made.nuclei == made.cells)).all()


def test_the_picture_shows_what_the_truth_says() -> None:
    nuclei, cells = WHOLE.nuclei > 0, WHOLE.cells > 0
    dna, membrane = WHOLE.pixels[..., 0], WHOLE.pixels[..., 1]
    assert dna[nuclei].mean() > 3 * dna[~nuclei].mean()
    rim = cells & (ndimage.minimum_filter(WHOLE.cells, 3) != ndimage.maximum_filter(WHOLE.cells, 3))
    assert membrane[rim].mean() > 2 * membrane[~cells].mean()
    assert WHOLE.pixels.max() < 65535
    whole = set(np.unique(WHOLE.cells[60:-60, 60:-60])) - set(np.unique(_frame(WHOLE.cells)))
    assert len(whole & set(np.unique(WHOLE.nuclei))) > 0.95 * len(whole)


def _frame(labels: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])


def test_a_tissue_of_a_terapixel_costs_what_is_looked_at() -> None:
    tissue = SyntheticTissue(1_000_000, 1_000_000)
    tracemalloc.start()
    try:
        made = tissue.region(Window(777_000, 123_000, 300, 300))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.cells.max() > 400_000_000
    assert peak < 50e6


def test_its_levels_are_a_source_of_a_few_levels() -> None:
    levels = SyntheticTissue(5000, 3000).levels("nuclei")
    source = as_source(levels)
    assert source.levels == (1.0, 2.0, 4.0, 8.0)
    assert source.read(Window(4000, 2000, 64, 64)).shape == (64, 64, 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (7, 3)])
def test_tiny_tissues_exist(size: tuple[int, int]) -> None:
    made = SyntheticTissue(*size).region(Window(0, 0, 999, 999))
    assert made.cells.shape == size
    assert all(min(level.shape) >= 1 for level in SyntheticTissue(*size).levels("nuclei"))


@pytest.mark.parametrize(("height", "width", "pitch"), [(0, 5, 40), (5, 0, 40), (5, 5, 2)])
def test_impossible_tissues_are_refused(height: int, width: int, pitch: float) -> None:
    with pytest.raises(ValueError, match="pitch"):
        SyntheticTissue(height, width, pitch=pitch)
