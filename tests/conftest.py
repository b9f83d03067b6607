"""What every test stands on: no network, and none of the person's own settings."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Set while this file is imported, before napari or a cache directory is looked up anywhere.
_HOME = Path(tempfile.mkdtemp(prefix="pisam-tests-"))
os.environ["NAPARI_CONFIG"] = str(_HOME / "napari" / "settings.yaml")
for _name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = str(_HOME / _name.lower())


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
