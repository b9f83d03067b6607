"""What is read piece by piece is one kind of array: numpy's view of it, and what stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pisam.datasets.synthetic import SyntheticTissue
from napari_pisam.images.file_image import FileArray
from napari_pisam.images.label_arrays import LayeredLabels, SparseLabels
from napari_pisam.images.lazy import LazyArray, VirtualArray, exact_levels
from napari_pisam.images.overviews import Overview
from napari_pisam.images.raw_array import RawArray
from napari_pisam.images.salvaged import SalvagedArray
from napari_pisam.images.source import plane_of
from tests.images.image_files import pattern

NUMPY_2 = int(np.__version__.partition(".")[0]) >= 2
PIXELS = pattern(40, 60)


def raw_array(folder: Path) -> RawArray:
    (folder / "raw").write_bytes(PIXELS.tobytes())
    return RawArray(folder / "raw", PIXELS.dtype, 0, shape=PIXELS.shape)


def labels(kind: type[SparseLabels]) -> SparseLabels:
    found = kind(PIXELS.shape, np.uint32)
    found[5:9, 7:30] = 3
    return found


KINDS: dict[str, Callable[[Path], LazyArray]] = {
    "raw bytes": raw_array,
    "file": lambda folder: FileArray(PIXELS.copy(), "a.tif"),
    "salvaged": lambda folder: SalvagedArray(PIXELS.copy(), lambda sentence: None),
    "plane": lambda folder: plane_of(PIXELS[None].copy(), (0,)),
    "overview": lambda folder: Overview(PIXELS, (2, 2), plane=(0, 1)),
    "sparse labels": lambda folder: labels(SparseLabels),
    "layered labels": lambda folder: labels(LayeredLabels),
    "tissue": lambda folder: SyntheticTissue(40, 60).levels("nuclei")[0],
}


@pytest.fixture(params=KINDS)
def virtual(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VirtualArray]:
    found = KINDS[request.param](tmp_path)
    assert isinstance(found, VirtualArray)
    yield found
    if isinstance(found, RawArray):
        found.close()


def test_shape_size_and_length_are_those_of_what_is_read(virtual: VirtualArray) -> None:
    whole = np.asarray(virtual)
    assert (virtual.shape, virtual.ndim, virtual.size) == (whole.shape, whole.ndim, whole.size)
    assert (virtual.dtype, len(virtual)) == (whole.dtype, len(whole))


@pytest.mark.parametrize(
    "key", [3, -1, (2, 5), (slice(3, 9), -2), (..., slice(1, None, 3)), (...,)]
)
def test_it_slices_as_numpy_does(virtual: VirtualArray, key: Any) -> None:
    np.testing.assert_array_equal(virtual[key], np.asarray(virtual)[key])


@pytest.mark.parametrize("key", [(1, 2, 3), 99, (0, -99)])
def test_what_is_outside_is_an_index_error(virtual: VirtualArray, key: Any) -> None:
    with pytest.raises(IndexError):
        virtual[key]


def test_a_copy_that_is_asked_for_is_ones_own(virtual: VirtualArray) -> None:
    before = np.asarray(virtual).copy()
    own: NDArray[Any] = np.array(virtual, copy=True)
    own[...] = own + 1
    np.testing.assert_array_equal(np.asarray(virtual), before)
    assert virtual.__array__(np.float32).dtype == np.float32


@pytest.mark.skipif(not NUMPY_2, reason="numpy 1 knows no copy=False")
def test_sharing_memory_is_refused(virtual: VirtualArray) -> None:
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(virtual, copy=False)


def test_results_come_from_what_the_file_has() -> None:
    salvaged = SalvagedArray(PIXELS, lambda sentence: None)
    overview = Overview(salvaged, (2, 2), plane=(0, 1))
    (level,) = exact_levels([salvaged, overview])
    assert level is PIXELS


def test_marks_of_a_strangers_array_mean_nothing() -> None:
    class Strange:
        shape, dtype, made, exact = PIXELS.shape, PIXELS.dtype, True, None

        def __getitem__(self, key: Any) -> NDArray[Any]:
            part: NDArray[Any] = PIXELS[key]
            return part

    strange = Strange()
    assert exact_levels([strange]) == [strange]
