"""Labelled images of discs, and configurations of the smallest model that learns on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_pisam.datasets.labelled import SourceConfig
from napari_pisam.train.config import TrainConfig

DISCS = SourceConfig("discs", "images", "masks", validation="^3$")
RATES = {
    "encoder": {"image_encoder": 1e-3, "mask_decoder": 1e-3},
    "decoder": {"mask_decoder": 1e-3, "mask_decoder.interact_2": 0.0},
    "interactor": {"mask_decoder.interact_2": 5e-3},
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors are slower on several threads, and sums come out the same on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images, 60 x 72, of three bright discs each, and their label maps."""
    root = tmp_path_factory.mktemp("labelled")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:60, :72]
    for number in range(4):
        labels = np.zeros((60, 72), np.uint8)
        for item, x in enumerate((12, 36, 60), 1):
            y, radius = rng.integers(13, 47), rng.integers(9, 13)
            labels[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = item
        pixels = (labels > 0) * 120 + rng.integers(20, 60, labels.shape)
        Image.fromarray(pixels.astype(np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(labels).save(root / "masks" / f"{number}.png")
    return root


@pytest.fixture
def configured() -> Callable[..., TrainConfig]:
    """A short run of one stage; keywords change its entries."""

    def make(stage: Any = "encoder", **changes: Any) -> TrainConfig:
        entries: dict[str, Any] = {
            "name": "test",
            "stage": stage,
            "sources": (DISCS,),
            "model": "toy",
            "learning_rates": RATES[stage],
            "steps": 4,
            "epoch": 100,
            "warmup": 1,
            "crops": 2,
            "objects": 2,
            "high_objects": 2,
            "workers": 0,
            "device": "cpu",
            "precision": "32-true",
        }
        return TrainConfig(**{**entries, **changes})

    return make
