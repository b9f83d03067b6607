"""Files that the tests of the command work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.toy import write_picture, write_toy_model


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "discs.npy")
