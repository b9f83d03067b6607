"""A tiny model in a file, an image in a file, and the command run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_pisam.cli import main
from napari_pisam.model.checkpoint import write_pisam
from napari_pisam.model.config import config_of
from napari_pisam.model.loading import architecture_of
from napari_pisam.model.pisam import PiSam


def write_toy_model(path: Path) -> Path:
    """A model file of window 64 with the same random weights each time; its clicks do something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = PiSam(config_of("toy"), "pi")
        torch.nn.init.normal_(model.mask_decoder.interact_2.out_cov.weight, std=0.5)
    metadata = {
        "architecture": architecture_of(config_of("toy")),
        "window": 64,
        "licence": "for tests [only]",
        "training": {"name": "untrained", "steps": 0},
        "version": "0",
    }
    write_pisam(path, model.state_dict(), metadata)
    return path


def write_picture(path: Path) -> Path:
    """A gray image of 90 rows and 120 columns with two bright discs, as NPY."""
    y, x = np.mgrid[:90, :120]
    discs = ((y - 40) ** 2 + (x - 35) ** 2 < 15**2) | ((y - 50) ** 2 + (x - 85) ** 2 < 20**2)
    np.save(path, (discs * 180 + 30 + (x % 7)).astype(np.uint8))
    return path


def write_squares(root: Path) -> None:
    """Two labelled images of one square each, in root/images and root/masks."""
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 1
    for name, value in (("images", 200), ("masks", 1)):
        (root / name).mkdir()
        for i in range(2):
            Image.fromarray(mask * np.uint8(value)).save(root / name / f"{i}.png")


@dataclass(frozen=True)
class Written:
    """What a run of the command wrote. code: its exit code."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Written:
    """Run `pisam WORDS` in this process."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return Written(code, captured.out, captured.err)


def one_sentence(written: Written) -> str:
    """The only line of stderr, which is neither empty nor a traceback."""
    lines = written.err.splitlines()
    assert len(lines) == 1
    assert "Traceback" not in lines[0]
    return lines[0]
