"""The command that is told installs from where the package came from."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from napari_pisam.cli.installing import how_to_install


class _Installed:
    """A distribution that came from somewhere."""

    def __init__(self, about: str | None) -> None:
        self.about = about

    def read_text(self, name: str) -> str | None:
        return self.about if name == "direct_url.json" else None


@pytest.mark.parametrize("about", [None, "", "{", "[]", '{"url": "https://example.org/a.whl"}'])
def test_a_release_is_named(monkeypatch: pytest.MonkeyPatch, about: str | None) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Installed(about))
    assert how_to_install("qt") == 'pip install "napari-pisam[qt]"'


def test_a_checkout_is_named_while_it_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "my checkout"
    folder.mkdir()
    about = json.dumps({"url": folder.as_uri(), "dir_info": {}})
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Installed(about))
    assert how_to_install("train") == 'pip install "napari-pisam[train]"'
    (folder / "pyproject.toml").touch()
    assert how_to_install("train") == f'pip install "{folder}[train]"'
