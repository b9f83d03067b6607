"""A plane of a file is described by a few values, and another process opens the same pixels."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_pisam.geometry import Window
from napari_pisam.images.bands import BandSource
from napari_pisam.images.files import SourceSpec, open_images, open_source
from napari_pisam.images.source import ArraySource, DescribedSource, ImageError, ImageSource
from tests.images.image_files import pattern, write_ngff, write_pyramid

OPENED_ELSEWHERE = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def fingerprint(source: ImageSource) -> tuple[Any, ...]:
    """What a source is and a hash of all pixels that it holds."""
    pixels = hashlib.sha256()
    for level in range(len(source.levels)):
        part = source.read(Window(0, 0, source.height, source.width, level))
        pixels.update(np.ascontiguousarray(part).tobytes())
    about = (source.height, source.width, source.channels, source.levels, source.rgb)
    return (*about, str(source.dtype), pixels.hexdigest())


def fingerprint_of_pickle(content: bytes) -> tuple[int, tuple[Any, ...]]:
    """The process that opened a pickled description, and what it found there."""
    spec = pickle.loads(content)
    assert isinstance(spec, SourceSpec)
    return os.getpid(), fingerprint(spec.open())


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """A process of its own, which shares no memory with this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of every kind."""
    folder = tmp_path_factory.mktemp("files")
    tifffile.imwrite(
        folder / "stack.tif", pattern(3, 4, 30, 40), metadata={"axes": "TZYX"}, compression="zlib"
    )
    tifffile.imwrite(folder / "raw.tif", pattern(4, 30, 40), metadata={"axes": "ZYX"})
    with tifffile.TiffWriter(folder / "two.ome.tif", ome=True) as file:
        file.write(pattern(2, 30, 40), metadata={"axes": "CYX"})
        file.write(pattern(50, 20, 3, dtype="uint8"), photometric="rgb")
    write_pyramid(folder / "levels.ome.tif", pattern(2, 300, 200), (2, 4), axes="CYX")
    Image.fromarray(pattern(30, 40, 4, dtype="uint8")).save(folder / "colours.png")
    Image.fromarray(pattern(30, 40, dtype="uint8")).save(folder / "gray.png")
    np.save(folder / "array.npy", pattern(30, 40, 5))
    write_ngff(
        folder / "n.ome.zarr",
        pattern(2, 3, 90, 80),
        version="0.5",
        axes="czyx",
        scale=(1, 1, 1, 1),
        labels=pattern(3, 90, 80),
    )
    return sorted(folder.iterdir())


@OPENED_ELSEWHERE
@given(data=st.data())
def test_a_described_source_is_the_same_in_another_process(
    data: st.DataObject, files: list[Path], elsewhere: ProcessPoolExecutor
) -> None:
    path = data.draw(st.sampled_from(files))
    images = open_images(path)
    series = data.draw(st.integers(0, len(images) - 1))
    image = images[series]
    plane = {axis: data.draw(st.integers(0, n - 1)) for axis, n in image.stack.items()}
    source = image.plane(plane)
    count = source.channels
    channels = data.draw(
        st.none() | st.lists(st.integers(0, count - 1), min_size=1, max_size=4).map(tuple)
    )
    whole = source.spec
    assert whole == SourceSpec(path, series, tuple(plane.items()))
    spec = replace(whole, channels=channels)
    here = spec.open()
    assert isinstance(here, DescribedSource)
    assert here.spec == spec
    process, found = elsewhere.submit(fingerprint_of_pickle, pickle.dumps(here.spec)).result()
    assert process != os.getpid()
    assert found == fingerprint(here)
    everything = source.read(Window(0, 0, source.height, source.width))
    np.testing.assert_array_equal(
        here.read(Window(0, 0, source.height, source.width)),
        everything if channels is None else everything[..., list(channels)],
    )


def test_a_description_is_frozen_hashable_and_holds_an_absolute_path(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next(path for path in files if path.name == "gray.png")
    monkeypatch.chdir(path.parent)
    image = open_images("gray.png")[0]
    monkeypatch.chdir("/")
    spec = image.plane().spec
    assert spec == SourceSpec(path)
    assert len({spec, SourceSpec(path)}) == 1
    with pytest.raises(FrozenInstanceError):
        spec.path = path  # type: ignore[misc]


def test_what_is_in_memory_has_no_description() -> None:
    gray = ArraySource(pattern(30, 40))
    assert gray.spec is None
    assert BandSource([gray, gray]).spec is None


def test_a_source_opened_by_path_is_described(files: list[Path]) -> None:
    path = next(path for path in files if path.name == "raw.tif")
    assert open_source(path, plane={"z": 3}).spec == SourceSpec(path, plane=(("z", 3),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"series": 2}, r"^two\.ome\.tif has images 0 to 1, no 2\.$"),
        ({"channels": (0, 2)}, "has channels 0 to 1, no 2"),
        ({"channels": ()}, "Channels"),
        ({"plane": (("z", 0),)}, "is one plane"),
        ({"path": Path("none.tif")}, "does not exist"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    files: list[Path], change: dict[str, Any], words: str
) -> None:
    path = next(path for path in files if path.name == "two.ome.tif")
    with pytest.raises(ImageError, match=words):
        replace(SourceSpec(path), **change).open()
