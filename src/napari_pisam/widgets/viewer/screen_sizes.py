"""Points, outlines and the lines of boxes keep their size on the screen at every zoom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.predict.results import SegmentResult
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.preview_layers import BOX, BOX_LINE, PREVIEW, relief_limits
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS, fit_points

if TYPE_CHECKING:
    from napari.layers import Image

SMALLEST_ZOOM = 1e-6


def zoom_on(image: Image, index: PlaneIndex, camera_zoom: float) -> float:
    """Screen pixels for one image pixel on a plane, the mean of its two axes."""
    spacing = [abs(s) for s, p in zip(image.scale, index, strict=True) if p is None]
    return camera_zoom * float(np.mean(spacing))


def fit_to_screen(
    find: Callable[[str], Any], zoom: float, result: SegmentResult | None, *, pixel_ratio: float
) -> None:
    """Write the sizes that have to change.

    find: the helper layer of a role, None when there is none. zoom: screen pixels for one image
    pixel. result: the one whose mask is shown. pixel_ratio: pixels of the hardware for one of the
    window.
    """
    for role in (PROMPTS, CORRECTIONS):
        points = find(role)
        if points is not None and zoom > 0:
            fit_points(points, zoom, ratio=pixel_ratio)
    preview, box = find(PREVIEW), find(BOX)
    if preview is not None and result is not None:
        limits: Sequence[float] = relief_limits(zoom, result.pixel_size)
        if not np.allclose(preview.contrast_limits, limits):
            preview.contrast_limits = limits
    width = BOX_LINE / max(zoom, SMALLEST_ZOOM)
    if box is not None and len(box.data) and not np.isclose(box.edge_width, width):
        box.edge_width = width
