"""A run: resumed bit for bit, stopped without harm, written whole or not at all."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from napari_pisam.datasets.labelled import SourceConfig
from napari_pisam.export import atomic
from napari_pisam.model.checkpoint import read_state as read_state_of
from napari_pisam.model.loading import load_model
from napari_pisam.train import initial, stopping
from napari_pisam.train.config import ConfigError, TrainConfig
from napari_pisam.train.loop import STATE, WEIGHTS, Trainer
from napari_pisam.train.optimisation import rates_of
from napari_pisam.train.run import Folders, train
from napari_pisam.train.stages import StageStep
from napari_pisam.train.states import append_losses
from tests.train.conftest import DISCS

Configured = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import takes longer than a run; one test looks at the real one."""
    monkeypatch.setattr(Trainer, "_tensorboard", lambda self: _Writer())


class _Writer:
    def add_scalar(self, name: str, value: float, step: int) -> None:
        pass


def state_in(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / STATE, weights_only=True)
    return state


def weights_in(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    checkpoint = read_state_of(folder / WEIGHTS)
    return dict(checkpoint.state), dict(checkpoint.metadata)


def assert_equal(left: Any, right: Any) -> None:
    """Bit for bit, through dictionaries and lists."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_equal(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_equal(a, b)
    else:
        assert left == right


def steps_logged(folder: Path) -> list[int]:
    with (folder / "losses.csv").open(newline="") as file:
        return sorted({int(row[0]) for row in csv.reader(file)})


@pytest.mark.parametrize("stage", ["encoder", "decoder", "interactor"])
def test_a_resumed_run_ends_as_an_unbroken_one(
    data_root: Path, tmp_path: Path, configured: Configured, stage: str
) -> None:
    config = configured(stage, steps=6)
    list(Trainer(config, data_root=data_root, out=tmp_path / "whole").run())
    broken = Trainer(config, data_root=data_root, out=tmp_path / "broken").run()
    for report in broken:
        if report.done == 3:
            break
    broken.close()
    assert state_in(tmp_path / "broken")["done"] == 3
    torch.rand(7)
    again = Trainer(config, data_root=data_root, out=tmp_path / "broken").run(resume=True)
    assert [r.done for r in again] == [4, 5, 6]
    assert_equal(state_in(tmp_path / "broken"), state_in(tmp_path / "whole"))
    assert_equal(weights_in(tmp_path / "broken"), weights_in(tmp_path / "whole"))
    assert steps_logged(tmp_path / "broken") == [1, 2, 3, 4, 5, 6]


def test_steps_after_the_last_state_are_taken_out_of_the_log(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    config = configured(steps=3)
    run = Trainer(config, data_root=data_root, out=tmp_path).run()
    next(run)
    run.close()
    with (tmp_path / "losses.csv").open("a") as file:
        file.write("2,sam,1.0\n3,sam,1.0\n")
    list(Trainer(config, data_root=data_root, out=tmp_path).run(resume=True))
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert steps_logged(tmp_path) == [1, 2, 3]
    assert len(rows) == len({tuple(r.split(",")[:2]) for r in rows})


def test_ctrl_c_finishes_the_step_and_writes_the_state(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, forward = configured(steps=6), StageStep.forward

    def interrupted(self: StageStep, batch: Any) -> Any:
        if batch.step == 2:
            signal.raise_signal(signal.SIGINT)
        return forward(self, batch)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(StageStep, "forward", interrupted)
    run = Trainer(config, data_root=data_root, out=tmp_path / "a").run()
    assert [next(run).done for _ in range(3)] == [1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(StageStep, "forward", forward)
    list(Trainer(config, data_root=data_root, out=tmp_path / "a").run(resume=True))
    list(Trainer(config, data_root=data_root, out=tmp_path / "b").run())
    assert_equal(state_in(tmp_path / "a"), state_in(tmp_path / "b"))


@pytest.fixture
def _heard() -> Iterator[None]:
    """Ctrl-C as Python takes it by itself: what is started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
def test_signals_at_once_are_one_request_and_a_later_one_ends_the_step(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, waits, clock = StageStep.forward, [0.0, 0.0], 0.0
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: clock))

    def interrupted(self: StageStep, batch: Any) -> Any:
        nonlocal clock
        for wait in waits:
            signal.raise_signal(signal.SIGINT)
            clock += wait
        return forward(self, batch)

    monkeypatch.setattr(StageStep, "forward", interrupted)
    run = Trainer(configured(steps=6), data_root=data_root, out=tmp_path).run()
    assert next(run).done == 1
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert state_in(tmp_path)["done"] == 1
    waits[:] = [stopping.ONE_REQUEST + 1, 0.0]
    again = Trainer(configured(steps=6), data_root=data_root, out=tmp_path).run(resume=True)
    with pytest.raises(KeyboardInterrupt):
        next(again)
    assert state_in(tmp_path)["done"] == 1


def test_a_crash_while_writing_keeps_the_state_before(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(steps=4, epoch=2)
    run = Trainer(config, data_root=data_root, out=tmp_path).run()
    next(run)
    next(run)
    good = (tmp_path / STATE).read_bytes()

    def half(state: object, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(ConfigError, match=r"disk is full.*unchanged"):
        list(run)
    assert (tmp_path / STATE).read_bytes() == good
    assert sorted(p.name for p in tmp_path.iterdir()) == ["losses.csv", STATE, WEIGHTS]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_an_error_of_one_sentence(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(path: Any, *_: object) -> Any:
        return real_open("/dev/full", "wb")

    real_open = open
    monkeypatch.setattr(atomic, "open", nowhere, raising=False)
    run = Trainer(configured(epoch=1), data_root=data_root, out=tmp_path).run()
    with pytest.raises(ConfigError, match=r"state\.pt was not saved, the disk is full") as caught:
        next(run)
    assert "\n" not in str(caught.value)
    (tmp_path / "losses.csv").symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"losses\.csv cannot be written: No space left"):
        append_losses(tmp_path, 1, {"sam": 0.5})


def test_a_crash_in_a_step_keeps_the_last_epochs_state(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = StageStep.forward

    def failing(self: StageStep, batch: Any) -> Any:
        if batch.step == 3:
            raise RuntimeError("out of memory")
        return forward(self, batch)

    monkeypatch.setattr(StageStep, "forward", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(Trainer(configured(epoch=2), data_root=data_root, out=tmp_path).run())
    assert state_in(tmp_path)["done"] == 2


def test_the_weights_are_a_model_that_prediction_takes(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    config = configured(steps=1, licence="CC0-1.0")
    reports = list(Trainer(config, data_root=data_root, out=tmp_path).run())
    assert reports[-1].message == "state written"
    assert {"val/click", "val/box", "sam", "iou"} <= reports[-1].figures.keys()
    model = load_model(tmp_path / WEIGHTS)
    assert model.config.name == "toy"
    restored = train(
        configured(steps=1),
        Folders(data_root, tmp_path / "next"),
        restore=tmp_path / WEIGHTS,
        evaluate_only=True,
    )
    (report,) = restored
    assert report.message == "validation"
    assert report.figures["val/box"] == pytest.approx(reports[-1].figures["val/box"], abs=1e-6)
    assert not (tmp_path / "next").exists()


@pytest.mark.parametrize(
    ("stage", "learning"),
    [
        ("encoder", {"image_encoder", "prompt_encoder", "mask_decoder.transformer"}),
        ("decoder", {"image_encoder", "mask_decoder.hf_token", "mask_decoder.rgb_embed"}),
        ("interactor", {"mask_decoder.interact_2"}),
    ],
)
def test_without_learning_rates_a_stage_has_its_own_and_the_weights_say_so(
    data_root: Path, tmp_path: Path, configured: Configured, stage: str, learning: set[str]
) -> None:
    config = configured(stage, steps=1, learning_rates={})
    list(Trainer(config, data_root=data_root, out=tmp_path).run())
    averaged = set(state_in(tmp_path)["average"])
    assert all(any(name.startswith(part) for name in averaged) for part in learning)
    assert (stage == "interactor") == any("interact_2" in name for name in averaged)
    _, said = weights_in(tmp_path)
    assert said["training"]["learning_rates"] == rates_of(config)


def test_a_light_encoder_is_trained_further_and_sams_stays_frozen(configured: Configured) -> None:
    rates = rates_of(configured("decoder", learning_rates={}, model="vit_b"))
    assert not any(name.startswith(("image_encoder", "prompt_encoder")) for name in rates)
    assert rates_of(configured("decoder", learning_rates={}, model="tiny"))["image_encoder"] > 0


def test_a_run_starts_from_a_model_by_its_name(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(Trainer(configured(steps=1, ema=0.0), data_root=data_root, out=tmp_path / "a").run())
    monkeypatch.setattr(initial, "resolve", lambda name: tmp_path / "a" / WEIGHTS)
    for config, restore in (
        (configured(init=("pisam-tiny",)), None),
        (configured(init=("weights:pisam-tiny",)), None),
        (configured(), "pisam-tiny"),
    ):
        folders = Folders(data_root, tmp_path / "b")
        (report,) = train(config, folders, restore=restore, evaluate_only=True)
        fresh = Trainer(configured(), data_root=data_root, out=tmp_path / "c").validate()
        assert report.figures["val/box"] != fresh["val/box"]


def test_epochs_count_passes_over_the_images(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    reports = list(Trainer(configured(epochs=2), data_root=data_root, out=tmp_path).run())
    assert [r.total for r in reports] == [4] * 4
    assert [bool(r.message) for r in reports] == [False, True, False, True]


def test_worker_processes_change_no_number(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    for workers in (0, 1):
        config = configured(steps=2, workers=workers)
        list(Trainer(config, data_root=data_root, out=tmp_path / str(workers)).run())
    assert_equal(state_in(tmp_path / "0")["model"], state_in(tmp_path / "1")["model"])


def test_curves_are_written_for_tensorboard(
    data_root: Path, tmp_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    list(Trainer(configured(steps=1), data_root=data_root, out=tmp_path).run())
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"iou_of_best" in events.read_bytes()


NOWHERE = SourceConfig("moon", "moon/images", "moon/masks")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sources": (DISCS, NOWHERE)}, r"The folders of moon are not under .*missing = \"skip\""),
        ({"sources": (NOWHERE,), "missing": "skip"}, "The folders of moon"),
        ({"sources": (SourceConfig("d", "images", "masks", validation="."),)}, "no image to learn"),
        ({"init": ("sam:sam.pth",)}, r"sam\.pth does not exist"),
        ({"init": ("magic:sam.pth",)}, "should begin with one of"),
        ({"device": "abacus"}, "'abacus'"),
        ({"precision": "3-bit"}, "'3-bit'"),
        ({"learning_rates": {"mask_decoder": 0.0}}, "freezes every parameter"),
        ({"init": ("sam_vit_b",)}, "pisam models download sam_vit_b"),
    ],
)
def test_a_run_that_cannot_start_is_an_error_of_one_sentence(
    data_root: Path,
    tmp_path: Path,
    configured: Configured,
    changes: dict[str, Any],
    sentence: str,
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        list(train(configured(**changes), Folders(data_root, tmp_path)))
    assert "\n" not in str(caught.value)


def test_missing_sources_can_be_left_out_and_are_named(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    config = configured(sources=(DISCS, NOWHERE), missing="skip", steps=1)
    (report,) = train(config, Folders(data_root, tmp_path))
    assert "moon" in report.message
    assert "state written" in report.message


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named(
    tmp_path: Path, configured: Configured, workers: int
) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ConfigError, match=r"a\.png") as caught:
        list(train(configured(workers=workers), Folders(tmp_path, tmp_path / "out")))
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_state_is_not_resumed_by_another_run(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    folders = Folders(data_root, tmp_path / "out")
    with pytest.raises(ConfigError, match="does not exist: start without resuming"):
        list(train(configured(), folders, resume=True))
    list(train(configured(steps=1), folders))
    with pytest.raises(ConfigError, match="belongs to another configuration"):
        list(train(configured(steps=2), folders, resume=True))
    assert list(train(configured(steps=1, licence="CC0-1.0"), folders, resume=True)) == []
    (folders.output / STATE).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ConfigError, match="is damaged"):
        list(train(configured(steps=1), folders, resume=True))


def test_an_output_folder_that_cannot_be_made_is_named(
    data_root: Path, tmp_path: Path, configured: Configured
) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "file.png")
    with pytest.raises(ConfigError, match="cannot be made"):
        list(train(configured(), Folders(data_root, tmp_path / "file.png" / "out")))
