"""Bytes in a file read as the array that they are, and no more of them than need be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.images.raw_array import RawArray
from tests.images.image_files import pattern


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_it_reads_as_the_array(tmp_path: Path, data: st.DataObject) -> None:
    shapes = [(40, 3000), (30, 50), (3, 20, 1500), (20, 1500, 3), (2, 3, 4, 5), (7,)]
    shape = data.draw(st.sampled_from(shapes))
    array = pattern(*shape).astype(data.draw(st.sampled_from(["<u2", ">u2", "u1", ">f4"])))
    key = tuple(data.draw(st.integers(0, n - 1) | st.slices(n), label="key") for n in shape)
    path = tmp_path / "raw"
    path.write_bytes(b"head" + array.tobytes())
    raw = RawArray(path, array.dtype, 4, shape=shape)
    found = raw[key]
    raw.close()
    np.testing.assert_array_equal(found, array[key])


@pytest.mark.parametrize(
    ("key", "most"),
    [
        ((slice(None, None, 16), slice(None, None, 16)), 63 * 8000),
        ((slice(500, 510), slice(1000, 1010)), 10 * 10),
        ((slice(100, 300), slice(None)), 200 * 8000),
    ],
)
def test_rows_that_are_not_wanted_are_not_read(
    tmp_path: Path, key: tuple[slice, slice], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raw").write_bytes(bytes(1000 * 8000))
    raw = RawArray(tmp_path / "raw", np.dtype("u1"), 0, shape=(1000, 8000))
    read: list[int] = []
    original = RawArray._read

    def watched(self: RawArray, into: NDArray[Any], offset: int) -> None:
        read.append(into.size)
        original(self, into, offset)

    monkeypatch.setattr(RawArray, "_read", watched)
    raw[key]
    raw.close()
    assert sum(read) <= most
