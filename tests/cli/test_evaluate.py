"""`pisam evaluate`: a table, a JSON file, and one sentence where something is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.toy import one_sentence, run, write_squares

Capture = pytest.CaptureFixture[str]

SOURCES = """
[[source]]
name = "squares"
images = "images"
masks = "masks"
validation = "1"

[[source]]
name = "more-squares"
images = "images"
masks = "masks"
validation = "0"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_squares(tmp_path)
    (tmp_path / "sources.toml").write_text(SOURCES, "utf-8")
    return tmp_path


def test_a_folder_with_a_list_is_measured(capsys: Capture, data: Path, toy_model: Path) -> None:
    out = data / "figures.json"
    written = run(capsys, "evaluate", data, "--model", toy_model, "--json", out)
    assert (written.code, written.err) == (0, "")
    assert "| squares " in written.out
    assert "| more-squares " in written.out
    assert "mean of 2 sources" in written.out
    figures = json.loads(out.read_text("utf-8"))
    assert [source["name"] for source in figures["sources"]] == ["squares", "more-squares"]
    assert len(figures["objects"]) == 2


def test_a_list_elsewhere_and_one_source_of_it(
    capsys: Capture, data: Path, toy_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listed = tmp_path_factory.mktemp("lists") / "mine.toml"
    listed.write_text(SOURCES, "utf-8")
    written = run(
        capsys, "evaluate", listed, "--data-root", data, "--only", "squares", "--model", toy_model
    )
    assert written.code == 0
    assert "| squares " in written.out
    assert "more-squares" not in written.out


def test_an_error_is_one_sentence(capsys: Capture, data: Path, toy_model: Path) -> None:
    for words, code, sentence in (
        ((data / "images",), 2, "There is no file"),
        ((data / "absent.toml",), 2, "There is no file"),
        ((data, "--json", data / "nowhere" / "f.json"), 2, "There is no folder"),
        ((data, "--only", "circles", "--model", toy_model), 1, "There is no source 'circles'"),
        ((data, "--model", "pisam-tny"), 1, "did you mean pisam-tiny?"),
        ((data / "sources.toml", "--per-image", "0"), 2, "--per-image"),
    ):
        written = run(capsys, "evaluate", *words)
        assert written.code == code
        assert sentence in one_sentence(written)


def test_a_terminal_shows_the_progress(
    capsys: Capture, data: Path, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    written = run(capsys, "evaluate", data, "--model", toy_model)
    assert written.code == 0
    assert "2/2" in written.err
    assert "squares" in written.err
    assert "mean of 2 sources" in written.out
