"""The images of a file of any kind, and a description by which one plane is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from napari_pisam.images.bands import BandSource
from napari_pisam.images.file_image import FileImage
from napari_pisam.images.raster import open_raster
from napari_pisam.images.source import ImageError, ImageSource, PyramidSource


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """The place of one image plane: enough to open it again, in another process too.

    path: of the file or Zarr folder, made absolute. series: which of its images, as `open_images`
    counts them. plane: for a stack, the plane of each of its axes. channels: which of its channels
    in which order; None for the image as it is. It can be pickled, compared and hashed.
    """

    path: Path
    series: int = 0
    plane: tuple[tuple[str, int], ...] = ()
    channels: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        # Another process may stand in another folder.
        object.__setattr__(self, "path", Path(self.path).absolute())
        object.__setattr__(self, "plane", tuple(sorted(self.plane)))

    def open(self) -> ImageSource:
        """The plane, nothing of it loaded.

        Raises ImageError, one sentence, when the file does not open or has no such image, plane or
        channel.
        """
        images = open_images(self.path)
        if not 0 <= self.series < len(images):
            raise ImageError(
                f"{self.path.name} has images 0 to {len(images) - 1}, no {self.series}."
            )
        image, plane = images[self.series], dict(self.plane)
        if self.channels is None:
            return image.plane(plane)
        bands = [image.plane(plane, channel=channel) for channel in self.channels]
        return bands[0] if len(bands) == 1 else BandSource(bands, spec=self)


def open_images(path: str | Path) -> tuple[FileImage, ...]:
    """The images of a file: TIFF of any kind, OME-Zarr, PNG, JPEG and what else Pillow reads, NPY.

    TIFF, Zarr and NPY are opened without being loaded. Raises ImageError, one sentence.
    """
    path = Path(path)
    return tuple(
        replace(image, describe=partial(_spec, path.absolute(), series))
        for series, image in enumerate(_opened(path))
    )


def open_source(path: str | Path, *, plane: Mapping[str, int] | None = None) -> PyramidSource:
    """The first image of a file, as an ImageSource.

    plane: for a stack, the plane of each of its axes, such as {"z": 3}. Raises ImageError, one
    sentence, when the file does not open or is a stack and no plane is chosen.
    """
    return open_images(path)[0].plane(plane)


def _spec(path: Path, series: int, plane: Mapping[str, int], *, channel: int | None) -> SourceSpec:
    channels = None if channel is None else (channel,)
    return SourceSpec(path, series, tuple(plane.items()), channels=channels)


def _opened(path: Path) -> tuple[FileImage, ...]:
    """The images by the reader for the file; raises ImageError when one of them has no pixels."""
    if path.is_dir():
        from napari_pisam.images.zarr import is_zarr, open_zarr

        if not is_zarr(path):
            raise ImageError(f"{path.name} is a folder and no OME-Zarr: choose an image in it.")
        images = open_zarr(path)
    else:
        from napari_pisam.images.tiff import is_tiff, open_tiff

        images = open_tiff(path) if is_tiff(path) else (open_raster(path),)
    for image in images:
        shape = image.levels[0].shape
        if 0 in shape:
            raise ImageError(f"{image.name} has no pixels: its shape is {shape}.")
    return images
