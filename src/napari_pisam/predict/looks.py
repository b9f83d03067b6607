"""Which window to look at: the scale at which an object is neither a dot nor larger than the view.

Deterministic, and a function of the prompt and of the pixels round it alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.geometry import Window, prompt_centre, square_window
from napari_pisam.prompts import Click, Prompt


@dataclass(frozen=True, slots=True)
class LookPolicy:
    """Numbers of the search, shares of a window's side unless said otherwise.

    aim: what an object should span. least, most: between these a look is good enough. looks: at
    most so many before the answer's own. widen: by how much a mask that is cut off enlarges the
    window. smallest: side of the smallest window, image pixels.
    """

    aim: float = 0.33
    least: float = 0.15
    most: float = 0.60
    looks: int = 3
    widen: float = 2.0
    smallest: int = 16


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a look saw the object: its bounding box, image pixels, and whether it was cut off."""

    y: float
    x: float
    span: float
    cut: bool


def known_window(prompt: Prompt, object_size: float | None, policy: LookPolicy) -> Window | None:
    """The window that the prompt itself tells: from box, mask, or a given size in image pixels.

    Points far apart widen it. None when only a look can tell.
    """
    centre = prompt_centre(prompt)
    if prompt.box is not None:
        span = prompt.box.span
    elif prompt.mask is not None and prompt.mask.mask.any():
        span = float(max(prompt.mask.cropped().mask.shape))
    elif object_size is not None:
        span = object_size
    else:
        return None
    return window_of(centre, max(span, points_span(prompt)), policy)


def window_of(centre: Click, span: float, policy: LookPolicy) -> Window:
    """The square window round a centre in which a span of image pixels takes the aimed share."""
    return square_window(centre.y, centre.x, max(span / policy.aim, policy.smallest))


def points_span(prompt: Prompt) -> float:
    """The longer side of the box round the positive points, image pixels; 0 for one or none."""
    ys = [c.y for c in prompt.points if c.positive]
    xs = [c.x for c in prompt.points if c.positive]
    return max(max(ys) - min(ys), max(xs) - min(xs)) if ys else 0.0


def extent_in(
    logits: NDArray[np.float32], window: Window, clicks: tuple[Click, ...]
) -> Extent | None:
    """What a look at a window says of the object: the component under the clicks, else the largest.

    logits: float32 (L, L) of the window. None when the mask is empty.
    """
    labels, count = ndimage.label(logits > 0)
    if not count:
        return None
    side = logits.shape[0]
    scale = window.height / side
    rows = [int(np.clip((c.y + 0.5 - window.y) / scale, 0, side - 1)) for c in clicks]
    cols = [int(np.clip((c.x + 0.5 - window.x) / scale, 0, side - 1)) for c in clicks]
    named = {int(i) for i in labels[rows, cols] if i} if clicks else set()
    if not named:
        named = {int(np.bincount(labels.ravel())[1:].argmax()) + 1}
    ys, xs = np.nonzero(np.isin(labels, list(named)))
    y0, y1, x0, x1 = int(ys.min()), int(ys.max()) + 1, int(xs.min()), int(xs.max()) + 1
    return Extent(
        y=window.y + (y0 + y1) / 2 * scale - 0.5,
        x=window.x + (x0 + x1) / 2 * scale - 0.5,
        span=max(y1 - y0, x1 - x0) * scale,
        cut=y0 == 0 or x0 == 0 or y1 == side or x1 == side,
    )


def next_window(window: Window, seen: Extent | None, prompt: Prompt, policy: LookPolicy) -> Window:
    """Where to look next, the prompt inside; the same window when the last look was good enough."""
    centre = prompt_centre(prompt)
    if seen is None:
        # nothing there at this scale: the object is smaller than what the look resolves
        return square_window(centre.y, centre.x, max(window.height / 3, policy.smallest))
    share = seen.span / window.height
    if seen.cut and share > policy.least:
        side = window.height * policy.widen
        return square_window((centre.y + seen.y) / 2, (centre.x + seen.x) / 2, side)
    if policy.least <= share <= policy.most:
        return window
    span = max(seen.span, points_span(prompt))
    following = window_of(Click(seen.y, seen.x), span, policy)
    # what was seen elsewhere, perhaps beside the image, must not lead away from what was said
    return following if following.contains(centre) else window_of(centre, span, policy)
