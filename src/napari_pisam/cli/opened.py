"""An image opened for segmentation, and its labels image; no model yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_pisam.cli.messages import BadOptionError, write_remark
from napari_pisam.cli.prompts_csv import ObjectPrompt
from napari_pisam.export.overlay import overlay
from napari_pisam.export.png import write_png
from napari_pisam.geometry import Window, pixel_centres
from napari_pisam.images.file_image import FileImage
from napari_pisam.images.files import open_images
from napari_pisam.images.intensity import IntensityWindow, intensity_window, to_rgb8
from napari_pisam.images.label_arrays import SparseLabels
from napari_pisam.images.source import ImageSource
from napari_pisam.masks.placed import PlacedMask

# Channels that become the model's red, green and blue.
_SEEN = 3
# Of an overlay; that of a larger image is reduced.
_MOST_PIXELS = 8192 * 8192


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An image to segment.

    channels: which the model sees, None for the first three. pixel_size: (y, x) in the unit that
    the file gives them; None where it gives none.
    """

    source: ImageSource
    intensity: IntensityWindow
    channels: tuple[int, ...] | None
    pixel_size: tuple[float, float] | None = None

    def shown(self) -> NDArray[np.uint8]:
        """The whole image as the model sees it: uint8 (H, W, 3)."""
        whole = Window(0, 0, self.source.height, self.source.width)
        return to_rgb8(self.source.read(whole), self.intensity, channels=self.channels)

    def empty_labels(self) -> SparseLabels:
        """A labels image of its size (H, W), zeros, which takes memory where objects are only."""
        return SparseLabels((self.source.height, self.source.width))

    def write_overlay(self, path: Path, labels: SparseLabels) -> None:
        """Write a PNG of the objects over the image, a smaller one of a large image.

        Raises SaveError.
        """
        height, width = self.source.height, self.source.width
        levels = self.source.levels
        level = next(
            (i for i, f in enumerate(levels) if height * width / f**2 <= _MOST_PIXELS),
            len(levels) - 1,
        )
        pixels = self.source.read(Window(0, 0, height, width, level))
        shown = to_rgb8(pixels, self.intensity, channels=self.channels)
        rows, cols = _middles(height, shown.shape[0]), _middles(width, shown.shape[1])
        write_png(path, overlay(shown, labels.at(rows, cols)))
        if level:
            write_remark(
                f"The image is large: {path.name} shows it {levels[level]:.3g} times smaller."
            )


def open_image(
    path: str | Path,
    *,
    channels: tuple[int, ...] | None = None,
    plane: Mapping[str, int] | None = None,
) -> OpenImage:
    """The image of a file with its intensity window.

    plane: for a stack, the plane of each of its axes. What is not used (further images of the
    file, further channels) is named in a remark. Raises ImageError for a file that cannot be read,
    BadOptionError for a plane that is not chosen and channels that it does not have.
    """
    first, *others = open_images(path)
    if first.stack and set(plane or ()) != set(first.stack):
        sizes = ", ".join(f"{axis} 0 to {count - 1}" for axis, count in first.stack.items())
        example = ",".join(f"{axis}=0" for axis in first.stack)
        raise BadOptionError(
            f"{first.name} is a stack ({sizes}): choose one plane of it, as in --plane {example}."
        )
    source = first.plane(plane)
    if channels is not None and max(channels) >= source.channels:
        raise BadOptionError(
            f"--channels: the image has {source.channels}, 0 to {source.channels - 1}, "
            f"no {max(channels)}."
        )
    if others:
        write_remark(
            f"{Path(path).name} holds {1 + len(others)} images; this is the first, {first.name} "
            f"({source.height} x {source.width}, {source.dtype})."
        )
    if channels is None and not source.rgb and source.channels > _SEEN:
        write_remark(
            f"The image has {source.channels} channels and the model sees 0, 1 and 2 of them: "
            "choose others with --channels."
        )
    return OpenImage(source, intensity_window(source), channels, pixel_size=_pixel_size(first))


def _pixel_size(image: FileImage) -> tuple[float, float] | None:
    """Height and width of a pixel; None where the file gives no unit for them."""
    y, x = image.axes.index("y"), image.axes.index("x")
    if "pixel" in (image.units[y], image.units[x]):
        return None
    return image.scale[y], image.scale[x]


def check_inside(objects: Sequence[ObjectPrompt], image: OpenImage) -> None:
    """Raise BadOptionError for the first prompt that lies outside the image."""
    height, width = image.source.height, image.source.width
    size = f"the image has {height} rows (Y) and {width} columns (X)"
    whole = Window(0, 0, height, width)
    for one in objects:
        for click in (*one.prompt.points, *one.prompt.corrections):
            if not whole.contains(click):
                place = f"Y,X = {click.y:g},{click.x:g}"
                raise BadOptionError(f"Object {one.id}: {place} lies outside; {size}.")
        box = one.prompt.box
        if box is None:
            continue
        if box.y_min >= height or box.x_min >= width or box.y_max < 0 or box.x_max < 0:
            raise BadOptionError(f"Object {one.id}: its box lies outside; {size}.")


def _middles(length: int, count: int) -> NDArray[np.int64]:
    """The rows or columns in the middle of each pixel of a level that has so many of them."""
    return pixel_centres(0, length, count).astype(np.int64)


def paint(labels: SparseLabels | NDArray[np.uint32], number: int, placed: PlacedMask) -> None:
    """Write one object's number where its mask is, over earlier ones; all inside the image."""
    rows = slice(placed.y, placed.y + placed.mask.shape[0])
    cols = slice(placed.x, placed.x + placed.mask.shape[1])
    piece = labels[rows, cols]
    piece[placed.mask] = number
    labels[rows, cols] = piece
