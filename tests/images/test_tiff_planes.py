"""Planes that a file does not have are left out or refused, and it is said."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_pisam.geometry import Window
from napari_pisam.images.files import open_images
from napari_pisam.images.source import ImageError, ImageWarning
from tests.images.image_files import pattern

WHOLE = Window(0, 0, 50, 60)


def write_cut_ome(path: Path, planes: int, compression: str | None = None) -> Any:
    """An OME-TIFF whose XML says five planes and which has fewer."""
    stack = pattern(5, 50, 60)
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    with tifffile.TiffWriter(path) as writer:
        for i in range(planes):
            about = xml if i == 0 else None
            writer.write(
                stack[i],
                description=about,
                metadata=None,
                contiguous=False,
                compression=compression,
            )
    return stack


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planes", [2, 3, 4])
def test_planes_that_only_the_metadata_have_are_left_out(
    tmp_path: Path, planes: int, compression: str | None
) -> None:
    stack = write_cut_ome(tmp_path / "cut.ome.tif", planes, compression)
    with pytest.warns(ImageWarning, match=rf"^{5 - planes} of 5 planes of cut\.ome\.tif"):
        (image,) = open_images(tmp_path / "cut.ome.tif")
    assert image.stack == {"z": planes}
    for z in range(planes):
        np.testing.assert_array_equal(image.plane({"z": z}).read(WHOLE)[..., 0], stack[z])
    with pytest.raises(ImageError, match=f"has z 0 to {planes - 1}, no 4"):
        image.plane({"z": 4})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shape=st.sampled_from([(6,), (2, 3), (3, 2)]), left=st.floats(2.0, 5.99))
def test_a_stack_that_is_cut_off_keeps_its_planes_and_its_calibration(
    tmp_path: Path, shape: tuple[int, ...], left: float
) -> None:
    path = tmp_path / "h.tif"
    stack, axes = pattern(*shape, 50, 60), "TZ"[2 - len(shape) :] + "YX"
    about = {"axes": axes, "unit": "um", "spacing": 1.5}
    tifffile.imwrite(path, stack, imagej=True, resolution=(2, 2), metadata=about)
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    content = path.read_bytes()
    path.write_bytes(content[: start + int(left * 6000)])
    with pytest.warns(ImageWarning, match="planes of h.tif are not in the file"):
        (image,) = open_images(path)
    assert image.scale[-2:] == (0.5, 0.5)
    assert set(image.units[-2:]) == {"micrometer"}
    for number in range(6):
        at = np.unravel_index(number, shape)
        plane = dict(zip(axes[:-2].lower(), map(int, at), strict=True))
        if number < int(left):
            # an axis of one plane is left out
            here = {axis: i for axis, i in plane.items() if axis in image.stack}
            pixels = image.plane(here).read(WHOLE)
            np.testing.assert_array_equal(pixels[..., 0], stack[at])
        else:
            with pytest.raises(ImageError, match=r"\.$"):
                image.plane(plane).read(WHOLE)


@pytest.mark.parametrize("compression", [None, "zlib"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0.1, 0.999))
def test_a_file_that_is_cut_anywhere_gives_its_own_pixels_or_a_sentence(
    tmp_path: Path, compression: str | None, share: float
) -> None:
    stack = pattern(4, 50, 60) + 1
    path = tmp_path / "p.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in stack:
            writer.write(
                plane, metadata=None, contiguous=False, rowsperstrip=8, compression=compression
            )
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            (image,) = open_images(path)
        except ImageError:
            return
    count = image.stack.get("i", 1)
    assert count == 4 or any("cut off behind its page" in str(w.message) for w in said)
    for number in range(count):
        try:
            pixels = image.plane({"i": number} if image.stack else {}).read(WHOLE)[..., 0]
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, stack[number])


def test_a_plane_that_is_missing_between_others_is_refused(tmp_path: Path) -> None:
    stack = write_cut_ome(tmp_path / "a.ome.tif", 3)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        xml = file.ome_metadata
    assert xml is not None
    # the third page is said to be the fifth plane
    data = (
        '<TiffData FirstZ="0" IFD="0" PlaneCount="2"/><TiffData FirstZ="4" IFD="2" PlaneCount="1"/>'
    )
    begin, end = xml.index("<TiffData"), xml.index("</Pixels>")
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for i, plane in enumerate(stack[:3]):
            about = xml[:begin] + data + xml[end:] if i == 0 else None
            writer.write(plane, description=about, metadata=None, contiguous=False)
    with pytest.warns(ImageWarning, match="^2 of 5 planes .* nothing can be segmented there"):
        (image,) = open_images(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.plane({"z": 4}).read(WHOLE)[..., 0], stack[2])
    for z in (2, 3):
        with pytest.raises(ImageError, match=f"The plane z = {z} of a.ome.tif is not in the file"):
            image.plane({"z": z}).read(WHOLE)
