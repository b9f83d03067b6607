"""`pisam doctor`: in words, with 1 where something essential is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from napari_pisam.cli import checks
from napari_pisam.cli.installing import how_to_install
from napari_pisam.zoo import store
from tests.cli.toy import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, toy_model: Path, tmp_path: Path) -> Path:
    """An installation whose embedded model is the toy."""
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "pisam-tiny.safetensors").write_bytes(toy_model.read_bytes())
    monkeypatch.setattr(store, "weights_dir", lambda: weights)
    monkeypatch.setenv("PISAM_CACHE", str(tmp_path / "cache"))
    return weights


def test_a_complete_installation_is_described(capsys: Capture, healthy: Path) -> None:
    written = run(capsys, "doctor")
    assert written.code == 0
    torch_version = importlib.metadata.version("torch")
    for word in ("Python", f"torch {torch_version}", "device", "number format", "because", "cores",
                 "pisam-tiny", "napari", "free disk", "Everything essential"):  # fmt: skip
        assert word in written.out
    assert "MISSING" not in written.out


@pytest.mark.parametrize("content", [None, b"", b"<html>sign in</html>"])
def test_without_a_readable_model_something_essential_is_missing(
    capsys: Capture, healthy: Path, content: bytes | None
) -> None:
    path = healthy / "pisam-tiny.safetensors"
    path.unlink() if content is None else path.write_bytes(content)
    written = run(capsys, "doctor")
    assert written.code == 1
    assert "MISSING  model" in written.out
    assert "1 essential thing is missing" in written.out


def lacking(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make packages look as if they were not installed."""
    version, find_spec = importlib.metadata.version, importlib.util.find_spec

    def known(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    def spec(name: str, *rest: Any) -> Any:
        return None if name in names else find_spec(name, *rest)

    monkeypatch.setattr(importlib.metadata, "version", known)
    monkeypatch.setattr(importlib.util, "find_spec", spec)


def test_a_required_package_that_is_missing_is_named(
    capsys: Capture, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "tifffile")
    written = run(capsys, "doctor")
    assert written.code == 1
    assert "pip install tifffile" in written.out


def test_without_qt_and_training_the_extras_are_named_and_nothing_essential_is_missing(
    capsys: Capture, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "PyQt6", "PySide6", "PyQt5", "PySide2", "lightning_fabric")
    written = run(capsys, "doctor")
    assert written.code == 0
    assert how_to_install("qt") in written.out
    assert how_to_install("train") in written.out


def test_a_folder_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    assert checks.cache_folder(tmp_path).mark == "ok"
    assert checks.cache_folder(tmp_path / "to" / "be").mark == "ok"
    found = checks.cache_folder(Path("/proc/1"))
    assert found.mark == "note"
    assert "PISAM_CACHE" in found.words


def test_one_thread_of_many_cores_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert checks.threads(1, 4) == checks.Check(
        "note", "threads", "torch uses 1 of 4 cores (OMP_NUM_THREADS is 1)"
    )
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert checks.threads(4, 4).mark == "ok"
    assert checks.threads(1, 1).mark == "ok"


def test_a_torch_that_does_not_load_is_named(
    capsys: Capture, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    genuine = builtins.__import__

    def broken(name: str, *rest: Any, **named: Any) -> Any:
        if name == "torch":
            raise OSError("libtorch_cpu.so: cannot open shared object file")
        return genuine(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    written = run(capsys, "doctor")
    assert written.code == 1
    assert "libtorch_cpu.so" in written.out
