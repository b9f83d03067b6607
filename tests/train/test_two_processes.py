"""One run of two processes: one model, one writer, stopped and resumed as a run of one process."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_pisam.train.loop import STATE
from tests.train import rank_recorder
from tests.train.test_loop import assert_equal, state_in

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not hasattr(os, "killpg"),
    reason="torch has no processes that work together here",
)

STEPS = 30
CONFIG = f"""
name = "pair"
stage = "decoder"
model = "toy"
steps = {STEPS}
epoch = {2 * STEPS}
warmup = 1
crops = 1
objects = 2
high_objects = 2
workers = 0
precision = "32-true"
device = "cpu"
[learning_rates]
mask_decoder = 1e-3
"mask_decoder.interact_2" = 0.0
[[source]]
name = "discs"
images = "images"
masks = "masks"
validation = "^3$"
"""
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node=2")


def start(*words: str | Path) -> subprocess.Popen[str]:
    """`torchrun --nproc_per_node=2 WORDS` in a group of processes of its own, as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", *TORCHRUN, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    """What it said on stdout and stderr, once it has ended with that code."""
    try:
        out, err = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, err
    return out, err


def test_two_processes_train_one_model_and_resume_after_ctrl_c_as_an_unbroken_run(
    data_root: Path, tmp_path: Path
) -> None:
    config = tmp_path / "pair.toml"
    config.write_text(CONFIG, "utf-8")
    words = ("train", config, "--data-root", data_root, "--output")

    broken, whole = tmp_path / "broken", tmp_path / "whole"

    run = start("-m", "napari_pisam.cli", *words, broken)
    while not (broken / "losses.csv").exists() and run.poll() is None:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    finish(run, 1)
    assert 0 < state_in(broken)["done"] < STEPS

    both = (*words, broken, "--resume", "then", *words, whole)
    out, err = finish(start(rank_recorder.__file__, tmp_path, *both), 0)
    assert out.count("state written") == 2
    assert "Initializing distributed" not in err
    first, second = (torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in range(2))
    assert_both_took_part_and_agree(first, second)
    assert_equal(state_in(broken), state_in(whole))
    assert_logged_once(broken)
    assert_logged_once(whole)


def assert_both_took_part_and_agree(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Each had images of its own, and both have the same weights after the last step."""
    assert first["processes"] == second["processes"] == 2
    assert len(first["losses"]) == len(second["losses"]) == STEPS
    assert first["losses"] != second["losses"]
    assert_equal(first["model"], second["model"])


def assert_logged_once(folder: Path) -> None:
    """Each figure of each step has one row, and there is nothing but what one writer leaves."""
    with (folder / "losses.csv").open(newline="") as file:
        rows = [tuple(row[:2]) for row in csv.reader(file)]
    assert len(rows) == len(set(rows))
    assert {int(step) for step, _ in rows} == set(range(1, STEPS + 1))
    names = {path.name for path in folder.iterdir()}
    assert names == {STATE, "weights.safetensors", "losses.csv", "tensorboard"}
