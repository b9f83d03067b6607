"""`pisam train` trains, resumes and tells what is wrong in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_pisam.cli import main

CONFIG = """
name = "toy"
stage = "encoder"
model = "toy"
steps = 2
epoch = 2
warmup = 1
crops = 1
objects = 1
workers = 0
precision = "32-true"
device = "cpu"
[learning_rates]
image_encoder = 1e-3
[[source]]
name = "squares"
images = "images"
masks = "masks"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 1
    for i in range(2):
        Image.fromarray(mask * 200).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, "utf-8")
    return path


def test_a_run_leaves_a_state_that_can_be_resumed(config: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    assert main(["train", str(config), "--output", out]) == 0
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["done"] == 2
    assert main(["train", str(config), "--output", out, "--resume"]) == 0


@pytest.mark.parametrize("wrong", ["stage = 1", "nonsense = 3", "[[["])
def test_a_wrong_configuration_gets_one_sentence(
    config: Path, wrong: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config.write_text(wrong + "\n" + CONFIG, "utf-8")
    assert main(["train", str(config), "--output", str(tmp_path / "run")]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.strip().count("\n") == 0


def test_a_missing_configuration_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err
