"""Which window to segment in: one in which the object is neither a dot nor larger than the view.

Deterministic, and a function of the prompt and of the pixels round it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.geometry import Window, WindowGrid, square_window
from napari_pisam.prompts import Click, Prompt, points_span, prompt_centre


@dataclass(frozen=True, slots=True)
class SearchPolicy:
    """Numbers of the search, shares of a window's side unless said otherwise.

    aim: what an object should span; box_aim: the same where a box tells exactly how large it is,
    and pixels for its edge are worth more than surroundings. least, most: between these a
    trial is good enough. trials: at most so many before the result's own. widen: by how much a
    mask that is cut off enlarges the window. smallest: side of the smallest window, image pixels.
    scales: windows that are all tried before one is chosen, in multiples of the window at native
    resolution; empty for an encoder that is too slow for it: then one trial leads to the next.
    doubt: what is taken off a trial's score for a mask that is cut off, and for every factor of
    two that its object is smaller than `least` or larger than `most`.
    """

    aim: float = 0.33
    box_aim: float = 0.5
    least: float = 0.15
    most: float = 0.60
    trials: int = 3
    widen: float = 2.0
    smallest: int = 16
    scales: tuple[float, ...] = ()
    doubt: float = 0.05


LIGHT_SEARCH = SearchPolicy(box_aim=0.62, scales=(1 / 8, 1 / 4, 1 / 2, 1, 2, 4))
"""For an encoder that takes a few hundredths of a second; its box_aim was measured with it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a trial saw the object: its bounding box, image pixels, and whether it was cut off."""

    y: float
    x: float
    span: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen in a window. score: the model's own estimate of its mask's IoU.

    blank: whether all of the window has one value.
    """

    window: Window
    seen: Extent | None
    score: float
    blank: bool = False


def known_window(prompt: Prompt, object_size: float | None, policy: SearchPolicy) -> Window | None:
    """The window that the prompt itself gives: from box, mask, or a given size in image pixels.

    Points far away widen it. None when only a trial can show it.
    """
    centre = prompt_centre(prompt)
    aim = policy.aim
    if prompt.box is not None:
        span, aim = prompt.box.span, policy.box_aim
    elif prompt.mask is not None and prompt.mask.mask.any():
        span = max(prompt.mask.span, points_span(prompt))
    elif object_size is not None:
        span = max(object_size, points_span(prompt))
    else:
        return None
    # points beside the box or the mask are in the window too, not on its very edge
    reach = max((max(abs(c.y - centre.y), abs(c.x - centre.x)) for c in prompt.points), default=0)
    return square_window(centre.y, centre.x, max(span / aim, 2.2 * reach, policy.smallest))


def window_of(centre: Click, span: float, policy: SearchPolicy) -> Window:
    """The square window round a centre in which a span of image pixels takes the aimed share."""
    return square_window(centre.y, centre.x, max(span / policy.aim, policy.smallest))


def holding(window: Window, corrections: Sequence[Click]) -> Window:
    """The window, or one round the same centre so much larger that corrections lie well inside."""
    if all(window.contains(c) for c in corrections):
        return window
    y, x = window.y + (window.height - 1) / 2, window.x + (window.width - 1) / 2
    reach = max(max(abs(c.y - y), abs(c.x - x)) for c in corrections)
    return square_window(y, x, max(2.2 * reach, window.height))


def _least(prompt: Prompt, policy: SearchPolicy) -> float:
    """Side of the smallest window in which the points are not on the very edge, image pixels."""
    return max(2 * points_span(prompt), policy.smallest)


def extent_in(
    logits: NDArray[np.float32], window: Window, clicks: tuple[Click, ...]
) -> Extent | None:
    """What a trial shows of the object: the component under the clicks, else the largest.

    logits: float32 (L, L) of the window. None when the mask is empty.
    """
    labels, count = ndimage.label(logits > 0)
    if not count:
        return None
    side = logits.shape[0]
    grid = WindowGrid(window, side)
    named = {int(i) for i in labels[grid.indices(clicks)] if i}
    if not named:
        named = {int(np.bincount(labels.ravel())[1:].argmax()) + 1}
    ys, xs = np.nonzero(np.isin(labels, list(named)))
    y0, y1, x0, x1 = int(ys.min()), int(ys.max()) + 1, int(xs.min()), int(xs.max()) + 1
    return Extent(
        y=grid.y_of((y0 + y1 - 1) / 2),
        x=grid.x_of((x0 + x1 - 1) / 2),
        span=max(y1 - y0, x1 - x0) * grid.pixel_size[0],
        cut=y0 == 0 or x0 == 0 or y1 == side or x1 == side,
    )


def next_window(trial: Trial, prompt: Prompt, policy: SearchPolicy) -> Window:
    """The window to try next, the prompt inside; the same when the last trial was good enough."""
    centre, window, seen = prompt_centre(prompt), trial.window, trial.seen
    if trial.blank:
        # inside an object without texture, or beside everything: its edge is farther out
        return square_window(centre.y, centre.x, window.height * policy.widen)
    if seen is None:
        # nothing there at this scale: the object is smaller than what the trial resolves
        return square_window(centre.y, centre.x, max(window.height / 3, _least(prompt, policy)))
    share = seen.span / window.height
    if seen.cut and share > policy.least:
        side = window.height * policy.widen
        return square_window((centre.y + seen.y) / 2, (centre.x + seen.x) / 2, side)
    if policy.least <= share <= policy.most:
        return window
    return fitting_window(trial, prompt, policy) or window


def trial_windows(
    first: Window, prompt: Prompt, source_side: int, *, policy: SearchPolicy
) -> list[Window]:
    """The windows to try before one is chosen, small to large; at least the first.

    first: at native resolution. source_side: the image's longer side, pixels; a window of more
    than twice that would show nothing new. The prompt's points lie in each of them.
    """
    centre, least = prompt_centre(prompt), _least(prompt, policy)
    sides = {first.height * scale for scale in policy.scales}
    kept = sorted(s for s in sides if least <= s <= 2 * source_side and s != first.height)
    windows = [first, *(square_window(centre.y, centre.x, side) for side in kept)]
    return sorted(windows, key=lambda w: w.height)


def trust(trial: Trial, policy: SearchPolicy) -> float:
    """The trial's score, less what its mask's size in the window speaks against it."""
    if trial.seen is None:
        return -np.inf
    share = trial.seen.span / trial.window.height
    off = max(np.log2(policy.least / share), np.log2(share / policy.most), 0.0)
    return trial.score - policy.doubt * float(off + trial.seen.cut)


def best_trial(trials: Sequence[Trial], policy: SearchPolicy) -> Trial:
    """The most trusted trial; of equals the one that saw most of the surroundings."""
    return max(trials, key=lambda trial: (trust(trial, policy), trial.window.height))


def fitting_window(trial: Trial, prompt: Prompt, policy: SearchPolicy) -> Window | None:
    """The window round what a trial saw, the prompt inside; None when it saw no whole object."""
    seen = trial.seen
    if seen is None or (seen.cut and seen.span > policy.least * trial.window.height):
        return None
    span = max(seen.span, points_span(prompt))
    window = window_of(Click(seen.y, seen.x), span, policy)
    # what was seen elsewhere, perhaps beside the image, must not lead away from what was said
    holds = all(window.contains(c) for c in prompt.points if c.positive)
    return window if holds else window_of(prompt_centre(prompt), span, policy)
