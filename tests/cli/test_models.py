"""`pisam models`: the list, what is known of one, and bringing one here."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from napari_pisam import zoo
from napari_pisam.jobs import Progress
from napari_pisam.zoo import models as zoo_models
from napari_pisam.zoo import store
from tests.cli.toy import one_sentence, run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv(zoo.CACHE_VARIABLE, str(folder))
    return folder


def test_the_list_shows_which_models_are_at_hand(capsys: Capture, cache: Path) -> None:
    entry = zoo.ZOO["sam_vit_b"]
    (cache / entry.filename).touch()
    with (cache / entry.filename).open("r+b") as file:
        file.truncate(entry.size)
    written = run(capsys, "models", "list")
    assert written.code == 0
    rows = {line.split()[0]: line for line in written.out.splitlines() if line.strip()}
    assert set(zoo.ZOO) <= set(rows)
    assert "375 MB" in rows["sam_vit_b"]
    assert "Apache-2.0" in rows["sam_vit_b"]
    assert rows["sam_vit_b"].split()[-1] == "yes"
    assert rows["sam_vit_l"].split()[-1] == "no"


def test_models_alone_is_the_list(capsys: Capture, cache: Path) -> None:
    assert run(capsys, "models").out == run(capsys, "models", "list").out


def test_info_shows_all_that_the_zoo_knows(capsys: Capture, cache: Path) -> None:
    entry = zoo.ZOO["sam_vit_b"]
    written = run(capsys, "models", "info", "sam_vit_b")
    assert written.code == 0
    for fact in (entry.url, entry.hash, entry.licence, "375 MB", str(cache / entry.filename)):
        assert fact is not None
        assert fact in written.out
    assert "pisam models download sam_vit_b" in written.out
    assert "No Pi-SAM decoder is at hand" in written.out


def test_info_of_a_file_shows_its_metadata(capsys: Capture, toy_model: Path) -> None:
    written = run(capsys, "models", "info", toy_model)
    assert written.code == 0
    for fact in ("a napari-pisam model", "for tests [only]", "name: untrained, steps: 0", "64"):
        assert fact in written.out


def test_info_of_the_embedded_model_reads_its_file(
    capsys: Capture, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "weights_dir", lambda: toy_model.parent)
    toy = replace(zoo.ZOO["pisam-tiny"], filename=toy_model.name)
    monkeypatch.setattr(zoo, "ZOO", MappingProxyType({"pisam-tiny": toy}))
    written = run(capsys, "models", "info", "pisam-tiny")
    assert written.code == 0
    assert "the package itself" in written.out
    assert "for tests [only]" in written.out


@pytest.mark.parametrize("command", ["info", "download"])
def test_a_wrong_name_gets_the_nearest_one(capsys: Capture, command: str) -> None:
    written = run(capsys, "models", command, "sam_vit_c")
    assert written.code == 1
    assert "did you mean sam_vit_" in one_sentence(written)


def test_info_of_what_is_no_model_is_one_sentence(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{")
    written = run(capsys, "models", "info", path)
    assert written.code == 1
    assert "not a sound safetensors file" in one_sentence(written)


def test_a_download_says_where_the_file_lies(
    capsys: Capture, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(entry: zoo.ZooEntry) -> Generator[Progress, None, Path]:
        yield Progress(0, None)
        yield Progress(5, 10)
        return cache / entry.filename

    monkeypatch.setattr(zoo, "download", some)
    written = run(capsys, "models", "download", "sam_vit_b")
    assert written.code == 0
    assert str(cache / "sam_vit_b_01ec64.pth") in written.out
    assert zoo.ZOO["sam_vit_b"].url is not None
    assert str(zoo.ZOO["sam_vit_b"].url) in written.out


def test_a_download_that_fails_is_one_sentence(
    capsys: Capture, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(zoo.MIRROR_VARIABLE, "ftp://example.org")
    written = run(capsys, "models", "download", "sam_vit_b")
    assert written.code == 1
    assert "PISAM_MIRROR" in written.err.splitlines()[-1]
    assert "Traceback" not in written.err


def test_a_stopped_download_is_closed_and_says_that_it_can_go_on(
    capsys: Capture, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def stopped(entry: zoo.ZooEntry) -> Iterator[Progress]:
        try:
            yield Progress(1, 10)
            raise KeyboardInterrupt
        finally:
            closed.append(entry.name)

    monkeypatch.setattr(zoo, "download", stopped)
    written = run(capsys, "models", "download", "sam_vit_b")
    assert written.code == 130
    assert "goes on from there" in written.err
    assert closed == ["sam_vit_b"]


def test_the_names_of_the_zoo_are_its_own() -> None:
    assert zoo.ZOO is zoo_models.ZOO
