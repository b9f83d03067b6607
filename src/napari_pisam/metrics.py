"""Measures of masks: IoU, boundary IoU, and the number of clicks to a quality.

Masks are boolean arrays of one image, or placed masks in the same image's pixels; the work is done
on the rectangle that they cover, so the size of the image does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import bounding_window
from napari_pisam.masks.placed import PlacedMask

Mask = NDArray[np.bool_] | PlacedMask

BOUNDARY_SHARE = 0.02
"""Width of the boundary band as a share of the diagonal of the object's bounding box."""


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union, 0 to 1; two empty masks are equal, so 1.

    a, b: bool (H, W) of one image, or PlacedMask. Raises ValueError for arrays of unequal shape.
    """
    first, second = on_common_crop(a, b)
    return _ratio(first, second)


def boundary_iou(a: Mask, b: Mask, *, width: float) -> float:
    """IoU of the two masks' inner boundary bands (Cheng et al., CVPR 2021), 0 to 1.

    The band is what of a mask lies within `width` image pixels of its contour: at width 1 the
    pixels that touch the outside. The image's edge counts as contour. `boundary_width` gives the
    width used in our tables. Raises ValueError for a width below 1 or arrays of unequal shape.
    """
    if not width >= 1:
        raise ValueError(f"A boundary band is at least 1 pixel wide, not {width}.")
    first, second = on_common_crop(a, b)
    return _ratio(_band(first, width), _band(second, width))


def boundary_width(truth: Mask) -> float:
    """2 % of the diagonal of the mask's bounding box, image pixels, but at least 1.

    Cheng et al. take 2 % of the image's diagonal; the object's own makes small objects in large
    images count as finely as large ones.
    """
    bounds = _placed(truth).bounds
    diagonal = math.hypot(bounds.height, bounds.width) if bounds else 0.0
    return max(1.0, BOUNDARY_SHARE * diagonal)


def noc(ious: Sequence[float], *, target: float, at_most: int) -> int:
    """Number of clicks until the IoU first reaches the target, `at_most` when it never does.

    ious: after the first, second, ... click. Raises ValueError when at_most is below 1.
    """
    if at_most < 1:
        raise ValueError(f"Clicks are counted up to at least 1, not {at_most}.")
    reached = (n for n, value in enumerate(ious[:at_most], 1) if value >= target)
    return next(reached, at_most)


def on_common_crop(a: Mask, b: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both masks on the smallest rectangle that holds both: two bool arrays of one shape.

    Raises ValueError for two arrays of unequal shape.
    """
    return crops_on(covered(a, b), a, b)


def covered(a: Mask, b: Mask) -> Window | None:
    """The smallest rectangle that holds both masks, image pixels; None when both are empty.

    Raises ValueError for two arrays of unequal shape.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape != b.shape:
        raise ValueError(f"Two masks of one image have one shape, not {a.shape} and {b.shape}.")
    return bounding_window(_placed(a), _placed(b))


def crops_on(
    window: Window | None, a: Mask, b: Mask
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What both masks show in a rectangle of the image; (0, 0) arrays for None."""
    if window is None:
        return np.zeros((0, 0), np.bool_), np.zeros((0, 0), np.bool_)
    return _placed(a).in_window(window), _placed(b).in_window(window)


def _placed(mask: Mask) -> PlacedMask:
    return mask if isinstance(mask, PlacedMask) else PlacedMask(0, 0, np.asarray(mask, np.bool_))


def _ratio(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0


def _band(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    band: NDArray[np.bool_] = mask & (depth <= width)
    return band
