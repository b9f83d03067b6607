"""`pisam train` trains, resumes and tells what is wrong in one sentence."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_pisam.cli import main, train
from napari_pisam.cli.installing import how_to_install
from tests.cli.toy import one_sentence, run, write_squares

Capture = pytest.CaptureFixture[str]

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
    write_squares(tmp_path)
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
    written = capsys.readouterr().err
    assert "Traceback" not in written
    assert written.strip().count("\n") == 0


def test_a_missing_configuration_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


def test_only_the_first_process_prints(
    capsys: Capture, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = run(capsys, "train", config, "--output", tmp_path / "run")
    assert "step 2: state written" in written.out
    monkeypatch.setattr(train, "_first_process", lambda: False)
    written = run(capsys, "train", config, "--output", tmp_path / "other")
    assert (written.code, written.out, written.err) == (0, "", "")


@pytest.mark.parametrize(
    ("variables", "first"),
    [({}, True), ({"RANK": "0", "LOCAL_RANK": "0"}, True), ({"RANK": "1"}, False),
     ({"LOCAL_RANK": "1"}, False)],
)  # fmt: skip
def test_the_first_process_is_known_from_the_environment(
    variables: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert train._first_process() is first


def test_ctrl_c_says_how_to_resume_and_the_state_resumes(
    capsys: Capture, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_pisam.train.stopping import StopRequest

    monkeypatch.setattr(StopRequest, "requested", lambda self: True)
    out = tmp_path / "run"
    written = run(capsys, "train", config, "--output", out)
    assert written.code == 130
    assert "--resume goes on" in one_sentence(written)
    assert torch.load(out / "state.pt", weights_only=True)["done"] == 1
    monkeypatch.undo()
    assert run(capsys, "train", config, "--output", out, "--resume").code == 0
    assert torch.load(out / "state.pt", weights_only=True)["done"] == 2


def test_ctrl_c_before_the_first_step_promises_no_state(
    capsys: Capture, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_pisam.train import run as room

    def stopped(*_: object, **__: object) -> Iterator[object]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(room, "train", stopped)
    written = run(capsys, "train", config, "--output", tmp_path / "run")
    assert (written.code, written.out, written.err) == (130, "", "")


def test_without_the_extra_the_message_names_it(
    capsys: Capture, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def spec(name: str, *rest: Any) -> Any:
        return None if name == "lightning_fabric" else find_spec(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", spec)
    written = run(capsys, "train", config)
    assert written.code == 2
    assert how_to_install("train") in one_sentence(written)


def test_eval_measures_and_writes_nothing(capsys: Capture, config: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG + 'validation = "1"\n', "utf-8")
    written = run(capsys, "train", config, "--eval", "--output", tmp_path / "run")
    assert written.code == 0
    assert "val/box" in written.out
    assert not (tmp_path / "run").exists()


def test_options_reach_the_run(
    capsys: Capture, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_pisam.train import run as room

    asked: list[object] = []

    def note(*positional: object, **named: object) -> Iterator[object]:
        asked.extend((*positional, named))
        yield from ()

    monkeypatch.setattr(room, "train", note)
    run(
        capsys, "train", config, "--data-root", "d", "--checkpoint-root", "c", "--output", "o",
        "--restore", "r.pth", "--devices", "2",
    )  # fmt: skip
    assert asked == [
        config,
        room.Folders(Path("d"), Path("o"), Path("c")),
        {"resume": False, "restore": "r.pth", "devices": 2, "evaluate_only": False},
    ]


def test_a_run_is_not_started_over_another_one(
    capsys: Capture, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(capsys, "train", config, "--output", out).code == 0
    before = (out / "state.pt").read_bytes()
    written = run(capsys, "train", config, "--output", out)
    assert written.code == 1
    assert "go on from it with --resume, or choose another folder" in one_sentence(written)
    assert (out / "state.pt").read_bytes() == before


def test_the_published_training_is_found_by_name(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = run(capsys, "train", "published/vit_b-decoder")
    assert written.code == 1
    assert "The folders of DIS5K-TR, ThinObject5k-TR, HRSOD-TR" in one_sentence(written)
    assert "are not under .:" in written.err
    for name, sentence in (("vit_g-decoder", "'vit_g'"), ("vit_b-both", "'both'")):
        assert sentence in one_sentence(run(capsys, "train", f"published/{name}"))
