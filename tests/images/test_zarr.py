"""OME-Zarr of both current versions opens with its meaning, its labels, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_pisam.geometry import Window
from napari_pisam.images.source import ImageError
from napari_pisam.images.zarr import is_zarr, open_zarr
from tests.images.image_files import pattern, write_ngff

OMERO = {
    "channels": [
        {"label": "nuclei", "color": "0000FF", "window": {"start": 10, "end": 900}, "active": True},
        {"label": "membrane", "color": "#00FF00", "active": False},
    ]
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_keeps_levels_scale_units_channels_and_labels(
    tmp_path: Path, version: str
) -> None:
    full, labels = pattern(2, 5, 100, 140), pattern(5, 100, 140) % 9
    write_ngff(
        tmp_path / "cells.ome.zarr",
        full,
        version=version,
        axes="czyx",
        scale=(1, 2.0, 0.5, 0.25),
        units={"z": "micrometer", "y": "micrometer", "x": "micrometer"},
        translate=(0, 7.0, 3.0, 0),
        omero=OMERO,
        labels=labels,
    )
    image, marked = open_zarr(tmp_path / "cells.ome.zarr")
    assert (image.name, image.axes, image.labels) == ("cells", "czyx", False)
    assert image.scale == (1, 2.0, 0.5, 0.25)
    assert image.translate == (0, 7.0, 3.0, 0)
    assert image.units == ("pixel", "micrometer", "micrometer", "micrometer")
    assert [(c.name, c.color, c.limits, c.visible) for c in image.channels] == [
        ("nuclei", (0, 0, 1), (10, 900), True),
        ("membrane", (0, 1, 0), None, False),
    ]
    source = image.plane({"z": 3})
    assert source.levels == (1.0, 2.0)
    for level, k in enumerate((1, 2)):
        np.testing.assert_array_equal(
            source.read(Window(20, 40, 60, 80, level)),
            np.moveaxis(full[:, 3, 20:80:k, 40:120:k], 0, -1),
        )
    assert (marked.name, marked.axes, marked.labels) == ("cells", "zyx", True)
    np.testing.assert_array_equal(
        marked.plane({"z": 1}).read(Window(0, 0, 100, 140))[..., 0], labels[1]
    )


def test_axes_of_one_element_are_left_out(tmp_path: Path) -> None:
    full = pattern(1, 1, 1, 60, 70)
    write_ngff(tmp_path / "a.zarr", full, version="0.4", axes="tczyx", scale=(1, 1, 1, 3, 4))
    (image,) = open_zarr(tmp_path / "a.zarr")
    assert (image.axes, image.scale) == ("yx", (3, 4))
    np.testing.assert_array_equal(
        image.plane().read(Window(5, 6, 7, 8))[..., 0], full[0, 0, 0, 5:12, 6:14]
    )


def test_the_labels_folder_opens_alone(tmp_path: Path) -> None:
    write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version="0.5",
        axes="yx",
        scale=(1, 1),
        labels=pattern(40, 40),
    )
    assert [i.labels for i in open_zarr(tmp_path / "a.zarr" / "labels")] == [True]


def test_scales_of_level_and_pyramid_multiply(tmp_path: Path) -> None:
    group = write_ngff(
        tmp_path / "a.zarr",
        pattern(40, 40),
        version="0.4",
        axes="yx",
        scale=(2, 3),
        translate=(10, 20),
    )
    meta: Any = group.attrs["multiscales"]
    meta[0]["coordinateTransformations"] = [{"type": "scale", "scale": [10, 100]}]
    group.attrs["multiscales"] = meta
    (image,) = open_zarr(tmp_path / "a.zarr")
    assert (image.scale, image.translate) == ((20, 300), (100, 2000))


@pytest.mark.parametrize("axes", [None, ["t", "c", "z", "y", "x"]])
def test_early_versions_open(tmp_path: Path, axes: list[str] | None) -> None:
    group = zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    group.create_array("0", data=pattern(1, 2, 1, 30, 30))
    described: dict[str, Any] = {"datasets": [{"path": "0"}]}
    group.attrs["multiscales"] = [{**described, "axes": axes} if axes else described]
    (image,) = open_zarr(tmp_path / "old.zarr")
    assert (image.axes, len(image.channels)) == ("cyx", 2)


def test_all_images_of_a_converted_file_open(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "b.zarr", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for key in ("0", "2", "10"):
        write_ngff(
            tmp_path / "b.zarr" / key, pattern(40, 40), version="0.4", axes="yx", scale=(1, 1)
        )
    root.create_group("OME")
    assert [i.name for i in open_zarr(tmp_path / "b.zarr")] == ["b 0", "b 2", "b 10"]


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((40, 50), "uint16", "yx"),
        ((40, 50, 3), "uint8", "yxs"),
        ((3, 40, 50), "uint16", "zyx"),
        ((2, 3, 40, 50), "uint16", "czyx"),
        ((2, 2, 3, 40, 50), "uint16", "tczyx"),
    ],
)
def test_a_plain_array_is_an_image(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, axes: str
) -> None:
    zarr.create_array(tmp_path / "p.zarr", data=pattern(*shape, dtype=dtype))
    (image,) = open_zarr(tmp_path / "p.zarr")
    assert (image.name, image.axes) == ("p", axes)


def _broken(folder: Path, what: str) -> None:
    group = write_ngff(folder, pattern(90, 90), version="0.4", axes="yx", scale=(1, 1))
    meta: Any = group.attrs["multiscales"]
    if what == "no level":
        meta[0]["datasets"] = [{"path": "7"}]
    elif what == "no datasets":
        del meta[0]["datasets"]
    elif what == "axes":
        meta[0]["axes"] = ["y", "x", "c"]
    elif what == "empty":
        meta = []
    elif what == "nested":
        meta = 5
    group.attrs["multiscales"] = meta
    if what == "json":
        (folder / ".zattrs").write_text("{")
    if what == "array":
        (folder / "0" / ".zarray").write_text(json.dumps({"shape": "many"}))


@pytest.mark.parametrize(
    "what", ["no level", "no datasets", "axes", "empty", "nested", "json", "array"]
)
def test_broken_metadata_gets_one_sentence(tmp_path: Path, what: str) -> None:
    _broken(tmp_path / "b.zarr", what)
    with pytest.raises(ImageError, match=r"^[^\n]*\.$"):
        open_zarr(tmp_path / "b.zarr")


def test_a_plate_a_group_and_an_empty_folder_get_one_sentence(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "plate.zarr").attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(ImageError, match="plate"):
        open_zarr(tmp_path / "plate.zarr")
    zarr.create_group(tmp_path / "group.zarr")
    with pytest.raises(ImageError, match="without OME-Zarr images"):
        open_zarr(tmp_path / "group.zarr")
    assert is_zarr(tmp_path / "group.zarr")
    for name in (".", "none.zarr"):
        assert not is_zarr(tmp_path / name)
        with pytest.raises(ImageError):
            open_zarr(tmp_path / name)


def test_a_damaged_chunk_says_so_when_it_is_read(tmp_path: Path) -> None:
    write_ngff(tmp_path / "d.zarr", pattern(100, 100), version="0.5", axes="yx", scale=(1, 1))
    (tmp_path / "d.zarr" / "0" / "c" / "1" / "1").write_bytes(b"nothing")
    source = open_zarr(tmp_path / "d.zarr")[0].plane()
    assert source.read(Window(0, 0, 50, 50)).any()
    with pytest.raises(ImageError, match="cannot be read"):
        source.read(Window(90, 90, 5, 5))


def test_only_the_chunks_of_the_window_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ngff(tmp_path / "a.zarr", pattern(640, 640), version="0.5", axes="yx", scale=(1, 1))
    (image, *_) = open_zarr(tmp_path / "a.zarr")
    read: list[str] = []
    get = zarr.storage.LocalStore.get

    async def counting(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        read.append(key)
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counting)
    image.plane().read(Window(130, 130, 60, 60))
    assert read == ["0/c/2/2"]
