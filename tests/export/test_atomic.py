"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from napari_pisam.export import atomic
from napari_pisam.export.atomic import replacing


def test_a_real_full_device_says_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("Linux only")
    with pytest.raises(OSError, match="No space") as e, open("/dev/full", "wb", 0) as file:
        file.write(b"x")
    assert "disk is full" in atomic._cannot_save(Path("l.tif"), e.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def interrupted() -> None:
        with replacing(tmp_path / "a") as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link_and_modes_are_usual(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
    except OSError:
        pytest.skip("no links here")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(os.stat(tmp_path / "real").st_mode) == stat.S_IMODE(os.stat(plain).st_mode)
