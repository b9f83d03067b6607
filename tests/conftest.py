"""What every test stands on: no network, no settings of the person, a viewer where one can be."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.screen import REMEDY, why_no_viewer

# Set while this file is imported, before napari or a cache directory is looked up anywhere.
_HOME = Path(tempfile.mkdtemp(prefix="pisam-tests-"))
os.environ["NAPARI_CONFIG"] = str(_HOME / "napari" / "settings.yaml")
for _name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = str(_HOME / _name.lower())

_NO_VIEWER = why_no_viewer()
if _NO_VIEWER and os.environ.get("CI"):
    raise pytest.UsageError(f"{_NO_VIEWER} {REMEDY}")


def pytest_plugin_registered(manager: pytest.PytestPluginManager) -> None:
    """Without Qt, pytest-qt would end the run when it is configured, right after this."""
    if _NO_VIEWER and manager.hasplugin("pytest-qt"):
        manager.unregister(name="pytest-qt")


def pytest_report_header() -> str | None:
    return f"The viewer's tests are LEFT OUT. {_NO_VIEWER} {REMEDY}" if _NO_VIEWER else None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    viewers = Path(__file__).parent / "widgets"
    return True if _NO_VIEWER and collection_path == viewers else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _NO_VIEWER:
        skip = pytest.mark.skip(reason=_NO_VIEWER)
        for item in items:
            if item.get_closest_marker("viewer"):
                item.add_marker(skip)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Connections leave this machine in no test; 127.0.0.1 and local sockets are fine."""
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect

        def connect_here(self: socket.socket, address: Any) -> None:
            far = self.family in (socket.AF_INET, socket.AF_INET6)
            if far and address[0] not in ("127.0.0.1", "::1", "localhost"):
                raise OSError(f"A test tried to reach {address[0]}: tests need no network.")
            connect(self, address)

        patch.setattr(socket.socket, "connect", connect_here)
        yield
