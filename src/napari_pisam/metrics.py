"""How alike two masks are, on the whole and along their edges, and how many clicks that took.

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
    height, width = _placed(truth).cropped().mask.shape
    return max(1.0, BOUNDARY_SHARE * math.hypot(height, width))


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
    parts = [p for p in (_placed(a).cropped(), _placed(b).cropped()) if p.mask.size]
    if not parts:
        return None
    y0, x0 = min(p.y for p in parts), min(p.x for p in parts)
    y1 = max(p.y + p.mask.shape[0] for p in parts)
    x1 = max(p.x + p.mask.shape[1] for p in parts)
    return Window(y0, x0, y1 - y0, x1 - x0)


def crops_on(
    window: Window | None, a: Mask, b: Mask
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What both masks show in a rectangle of the image; (0, 0) arrays for None."""
    if window is None:
        return np.zeros((0, 0), np.bool_), np.zeros((0, 0), np.bool_)
    return _crop(_placed(a), window), _crop(_placed(b), window)


def _placed(mask: Mask) -> PlacedMask:
    return mask if isinstance(mask, PlacedMask) else PlacedMask(0, 0, np.asarray(mask, np.bool_))


def _crop(placed: PlacedMask, window: Window) -> NDArray[np.bool_]:
    here = PlacedMask(placed.y - window.y, placed.x - window.x, placed.mask)
    return here.in_image(window.height, window.width)


def _ratio(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0


def _band(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    band: NDArray[np.bool_] = mask & (depth <= width)
    return band
