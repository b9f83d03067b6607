"""Sample data opens without a network, and its truth fits its pixels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from npe2 import PluginManifest

import napari_pisam
from napari_pisam.datasets.synthetic import SyntheticTissue
from napari_pisam.geometry import Window
from napari_pisam.widgets.files import sample_data
from napari_pisam.widgets.files.sample_data import LayerData, tissue_layers

MANIFEST = PluginManifest.from_file(Path(napari_pisam.__file__).parent / "napari.yaml")
SIZES = {
    "cell": (660, 550),
    "coins": (303, 384),
    "glands": (512, 512, 3),
    "retina": (1411, 1411, 3),
    "galaxies": (872, 1000, 3),
}


@pytest.mark.parametrize("key", SIZES)
def test_real_images_open_from_the_menu(key: str, npe2pm: Any) -> None:
    npe2pm.register(MANIFEST)
    contribution = next(c for c in MANIFEST.contributions.sample_data or () if c.key == key)
    ((data, keywords, kind),) = contribution.open(_registry=npe2pm.commands)
    layer = Layer.create(data, keywords, kind)
    assert isinstance(layer, Image)
    assert layer.data.shape == SIZES[key]
    assert layer.rgb == (len(SIZES[key]) == 3)
    assert layer.data.std() > 5


def test_every_sample_of_the_manifest_exists() -> None:
    MANIFEST.validate_imports()
    keys = {sample.key for sample in MANIFEST.contributions.sample_data or ()}
    assert keys == {*SIZES, "tissue", "large_tissue", "huge_tissue"}


@pytest.mark.parametrize("step", [1, 4, 32])
def test_the_truth_is_where_the_picture_shows_it(step: int) -> None:
    layers = {data[1]["name"]: data[0] for data in sample_data.huge_synthetic_tissue()}
    level = step.bit_length() - 1
    rows = slice(20_000 // step, 20_000 // step + 400), slice(9000 // step, 9000 // step + 300)
    seen = {name: np.asarray(levels[level][rows]) for name, levels in layers.items()}
    nuclei, cells = seen["true nucleus labels"], seen["true cell labels"]
    # A nucleus lies in its cell and has its number; both are brighter than what is not theirs.
    np.testing.assert_array_equal(nuclei[nuclei > 0], cells[nuclei > 0])
    inside, light = nuclei > 0, seen["tissue nuclei"]
    assert light[inside].mean() > 3 * light[~inside].mean()
    ground, rims = seen["tissue membranes"][cells == 0], seen["tissue membranes"][cells > 0]
    assert rims.mean() > 1.5 * ground.mean()
    whole = SyntheticTissue(sample_data.HUGE_SIDE, sample_data.HUGE_SIDE)
    y, x = rows[0].start * step + step // 2, rows[1].start * step + step // 2
    one = whole.region(Window(y, x, 1, 1))
    assert (one.cells[0, 0], one.nuclei[0, 0]) == (cells[0, 0], nuclei[0, 0])


def test_small_tissue_has_its_truth_hidden_behind_it() -> None:
    layers = [Layer.create(*layer) for layer in sample_data.synthetic_tissue()]
    assert [layer.name for layer in layers] == [
        "true cell labels",
        "true nucleus labels",
        "tissue membranes",
        "tissue nuclei",
    ]
    assert [layer.visible for layer in layers] == [False, False, True, True]
    assert all(isinstance(layer, Labels) for layer in layers[:2])
    cells, truth, nuclei = layers[0].data, layers[1].data, layers[3].data
    assert len(np.unique(cells)) > 300
    assert nuclei[truth > 0].mean() > 3 * nuclei[truth == 0].mean()
    assert {tuple(str(unit) for unit in layer.units) for layer in layers} == {
        ("micrometer", "micrometer")
    }


def test_tissue_of_any_size_is_shown_where_one_looks() -> None:
    started = time.process_time()
    viewer = ViewerModel()
    for layer in tissue_layers(SyntheticTissue(4096, 4096)):
        viewer.add_layer(Layer.create(*layer))
    assert time.process_time() - started < 20
    nuclei = viewer.layers["tissue nuclei"]
    assert nuclei.multiscale
    assert len(nuclei.data) == 3
    small = SyntheticTissue(4096, 4096).levels("nuclei")[0][1000:1040, 2000:2040]
    np.testing.assert_array_equal(nuclei.data[0][1000:1040, 2000:2040], small)


@pytest.mark.parametrize("size", [(40, 60), (900, 3000)])
def test_layers_of_small_and_oblong_tissue_are_valid(size: tuple[int, int]) -> None:
    made: list[LayerData] = tissue_layers(SyntheticTissue(*size))
    layers = [Layer.create(*layer) for layer in made]
    assert {layer.multiscale for layer in layers} == {max(size) > 1024}
    assert all(isinstance(layer, Labels) for layer in layers[:2])
