"""What is drawn of a result: the mask, where the model is unsure, and a box while it is drawn.

The mask is an image of signed distances as large as the model's output, never as the picture.
Drawn with linear interpolation through a colour map that is clear outside, yellow near zero and
blue inside, its edge is a line of even width at any zoom, and moving it costs one small texture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.predict.lattice import Lattice
from napari_pisam.predict.relief import EDGE, REACH, STEP
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Box
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.colours import BORDER, DOUBT, FILL, OUTLINE, rgba
from napari_pisam.widgets.viewer.identity import ROLE
from napari_pisam.widgets.viewer.layer_transform import (
    apply_frame,
    differs,
    lattice_frame,
    rows_of,
    same_frame,
)

if TYPE_CHECKING:
    from napari.layers import Image, Vectors
    from napari.utils.colormaps import Colormap

PREVIEW, UNSURE, BOX = "preview", "unsure", "box"
NAMES = {PREVIEW: "Pi-SAM mask", UNSURE: "Pi-SAM unsure", BOX: "Pi-SAM box"}

# Widths on the screen, in pixels: the whole band that the colour map describes, of which the line
# is a part, and the lines of a box.
BAND = 6.0
BOX_LINE = 2.0
FILL_ALPHA = 0.3
CERTAIN = 0.35
"""Doubt below this, of 1, is not drawn: beyond a band round the edge the model is sure enough."""
CUT = 64
"""A mask is drawn in blocks of so many pixels of the relief, those that show something of it."""


def relief_colormap() -> Colormap:
    """Outside clear, a dark rim, the line, the fill; the edge of the mask is at 0.5."""
    from napari.utils.colormaps import Colormap

    stops = [
        (0.0, rgba(BORDER, 0.0)),
        (0.28, rgba(BORDER, 0.0)),
        (0.36, rgba(BORDER, 0.75)),
        (0.42, rgba(OUTLINE, 1.0)),
        (0.62, rgba(OUTLINE, 1.0)),
        (0.70, rgba(FILL, FILL_ALPHA)),
        (1.0, rgba(FILL, FILL_ALPHA)),
    ]
    colours = [colour for _, colour in stops]
    return Colormap(colours, controls=[at for at, _ in stops], name="pi-sam mask")


def doubt_colormap() -> Colormap:
    """Clear where the model is certain, strong where it tosses a coin."""
    from napari.utils.colormaps import Colormap

    colours = [rgba(DOUBT, 0.0), rgba(DOUBT, 0.0), rgba(DOUBT, 0.9)]
    return Colormap(colours, controls=[0.0, CERTAIN, 1.0], name="pi-sam unsure")


def _nothing(image: Image) -> NDArray[np.uint8]:
    """One clear pixel: on the image's first it is never in the way of a slider."""
    return np.zeros((1,) * image.ndim, np.uint8)


def new_preview_layer(role: str, image: Image) -> Image:
    """An invisible preview, or picture of doubt, for that image."""
    from napari.layers import Image as ImageLayer

    return ImageLayer(
        _nothing(image),
        name=NAMES[role],
        colormap=relief_colormap() if role == PREVIEW else doubt_colormap(),
        contrast_limits=(0, 255),
        interpolation2d="linear",
        blending="translucent_no_depth",
        metadata={ROLE: role},
        **same_frame(image),
    )


def show_result(layer: Image, image: Image, index: PlaneIndex, *, result: SegmentResult) -> None:
    """Show a result's mask, or its doubt, where it lies in a plane of the image."""
    if result.preview.lattice is None:
        blank(layer, image)
        return
    pixels, lattice = result.preview.doubt, result.preview.lattice
    if layer.metadata.get(ROLE) == PREVIEW:
        pixels, lattice = _drawn_part(result.preview.relief, lattice)
    sizes = iter(pixels.shape)
    data = pixels.reshape([next(sizes) if position is None else 1 for position in index])
    frame = lattice_frame(image, index, lattice)
    if differs(layer, frame):
        # With old pixels in a new place the viewer's world would be larger than the image.
        clear_result(layer)
        apply_frame(layer, frame)
    layer.data = data


def blank(layer: Image, image: Image) -> None:
    """Show nothing: one clear pixel on the image's first."""
    clear_result(layer)
    apply_frame(layer, same_frame(image))


def clear_result(layer: Image) -> None:
    """Show nothing where the layer lies: one clear pixel."""
    if layer.data.size > 1 or layer.data.any():
        layer.data = np.zeros((1,) * layer.ndim, np.uint8)


def _drawn_part(relief: NDArray[np.uint8], lattice: Lattice) -> tuple[NDArray[np.uint8], Lattice]:
    """The blocks of a relief that hold the mask and its line, and where they lie.

    What is clear all the same takes as long to draw. The corrections of an object mostly stay in
    the same blocks, and the layer then where it is.
    """
    seen = relief > EDGE - STEP * (REACH - 1)
    rows, cols = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not len(rows):
        return relief[:1, :1], replace(lattice, counts=(1, 1))
    y, x = int(rows[0]) // CUT * CUT, int(cols[0]) // CUT * CUT
    part = relief[y : -(-int(rows[-1] + 1) // CUT) * CUT, x : -(-int(cols[-1] + 1) // CUT) * CUT]
    starts = (lattice.starts[0] + y * lattice.steps[0], lattice.starts[1] + x * lattice.steps[1])
    counts = (part.shape[0], part.shape[1])
    return part, replace(lattice, starts=starts, counts=counts)


def relief_limits(zoom: float, pixel_size: float) -> tuple[float, float]:
    """The contrast limits between which the relief lies in a band of even width on the screen.

    zoom: screen pixels per image pixel. pixel_size: image pixels per pixel of the relief.
    """
    per_screen_pixel = STEP / max(zoom * pixel_size, 1e-6)
    half = min(max(BAND / 2 * per_screen_pixel, 0.02), STEP * (REACH - 1))
    return EDGE - half, EDGE + half


def new_box_layer(image: Image) -> Vectors:
    """An empty layer for the sides of a box."""
    from napari.layers import Vectors

    return Vectors(
        np.zeros((0, 2, image.ndim)),
        ndim=image.ndim,
        name=NAMES[BOX],
        vector_style="line",
        edge_color=OUTLINE,
        edge_width=BOX_LINE,
        metadata={ROLE: BOX},
        **same_frame(image),
    )


def box_vectors(boxes: list[tuple[PlaneIndex, Box]], shape: tuple[int, ...]) -> NDArray[Any]:
    """The four sides of each box as a Vectors layer takes them: (4 n, 2, ndim).

    shape: the image's. What reaches beyond its outermost pixels is drawn on them, so that the
    layer is never larger than the image.
    """
    parts = [np.zeros((0, 2, len(shape)))]
    for index, box in boxes:
        corners = [
            (box.y_min, box.x_min),
            (box.y_min, box.x_max),
            (box.y_max, box.x_max),
            (box.y_max, box.x_min),
        ]
        rows = np.clip(rows_of(index, corners), 0, np.array(shape) - 1)
        parts.append(np.stack([rows, np.roll(rows, -1, axis=0) - rows], axis=1))
    return np.concatenate(parts)
