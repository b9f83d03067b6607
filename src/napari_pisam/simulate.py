"""The simulated user: where to click next, given the true mask and a predicted one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.prompts import Click


def most_interior(mask: NDArray[np.bool_]) -> Click:
    """The pixel of the mask farthest from everything else, the image's edge included.

    mask: bool (H, W). Ties go to the first in reading order. Raises ValueError when it is empty.
    """
    if not mask.any():
        raise ValueError("An empty mask has no inside.")
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return Click(float(y), float(x), True)


def next_correction(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Click | None:
    """The middle of the largest error, signed by the truth there; None when there is no error.

    Both bool (H, W). The protocol of interactive-segmentation papers: the most interior pixel of
    the largest connected false region.
    """
    best: NDArray[np.bool_] | None = None
    area = 0
    for wrong in (truth & ~prediction, prediction & ~truth):
        labels, count = ndimage.label(wrong)
        if not count:
            continue
        sizes = np.bincount(labels.ravel())[1:]
        if sizes.max() > area:
            area, best = int(sizes.max()), labels == int(sizes.argmax()) + 1
    if best is None:
        return None
    where = most_interior(best)
    return Click(where.y, where.x, bool(truth[int(where.y), int(where.x)]))


def error_clicks(
    prediction: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    at_most: int = 10,
    least_area: int = 2,
) -> list[Click]:
    """Clicks on current errors, as Pi-SAM draws them for training its Precise Interactor.

    Components of false negatives and false positives, eroded by one pixel, of at least least_area
    pixels; between one and at_most of the largest; a random pixel in each. Source: Pi-SAM,
    "Segment Anything with Precise Interaction" (ACM MM 2024), training.
    """
    # Find the components of both kinds of error
    found: list[tuple[int, NDArray[np.intp], bool]] = []
    for wrong, positive in ((truth & ~prediction, True), (prediction & ~truth, False)):
        labels = ndimage.label(ndimage.binary_erosion(wrong, np.ones((3, 3), bool)))[0]
        for index, where in enumerate(ndimage.find_objects(labels), 1):
            inside = np.argwhere(labels[where] == index)
            if len(inside) >= least_area:
                inside += np.array([where[0].start, where[1].start])
                found.append((len(inside), inside, positive))
    # Keep some of the largest, and draw a pixel in each
    found.sort(key=lambda item: -item[0])
    keep = int(rng.integers(1, at_most + 1))
    clicks = []
    for _, pixels, positive in found[:keep]:
        y, x = pixels[rng.integers(len(pixels))]
        clicks.append(Click(float(y), float(x), positive))
    return clicks
