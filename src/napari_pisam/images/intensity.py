"""One intensity window per image, and 8-bit RGB from any pixels through it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.nodata import likely_nodata, measured
from napari_pisam.images.source import (
    ImageSource,
    ImageWarning,
    nodata_of,
    stored_levels,
)

EXACT_PIXELS = 4_194_304
SAMPLED_VALUES = 16_777_216
COARSE_PIXELS = 1_048_576
BLOCK_SIDES = (128, 64, 32, 16, 8)
MIN_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class IntensityWindow:
    """What becomes black and what becomes white, in the image's own units.

    low, high: one value per channel (an RGB image has the same pair three times, so that its
    colours stay); a single pair holds for all channels. Raises ValueError unless low < high.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.low or len(self.low) != len(self.high):
            raise ValueError("An intensity window needs one low and one high value per channel.")
        for low, high in zip(self.low, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"An intensity window needs low < high, not {low} and {high}.")

    def of(self, channel: int) -> IntensityWindow:
        """The pair of one channel, as a window of its own."""
        i = 0 if len(self.low) == 1 else channel
        return IntensityWindow((self.low[i],), (self.high[i],))


def _level_for_sampling(source: ImageSource, budget: int) -> int:
    """Level 0 when all of it fits, else the coarsest level with enough pixels to judge by.

    Levels that would have to be computed from all pixels are left out: blocks of level 0 cost less.
    """
    pixels = source.height * source.width
    if pixels <= budget:
        return 0
    wanted = min(COARSE_PIXELS, budget)
    levels = source.levels[: stored_levels(source)]
    return max((i for i, f in enumerate(levels) if pixels / f**2 >= wanted), default=0)


def _blocks(height: int, width: int, budget: int) -> Iterator[tuple[int, int, int]]:
    """(y, x, side) of a regular grid of aligned blocks that holds at most `budget` pixels."""
    side = next((b for b in BLOCK_SIDES if budget // b**2 >= MIN_BLOCKS), BLOCK_SIDES[-1])
    total = max(1, budget // side**2)
    rows, cols = math.ceil(height / side), math.ceil(width / side)
    n_rows = min(rows, max(1, round(math.sqrt(total * height / width))), total)
    n_cols = min(cols, max(1, total // n_rows))
    for i in range(n_rows):
        for j in range(n_cols):
            y, x = (2 * i + 1) * rows // (2 * n_rows), (2 * j + 1) * cols // (2 * n_cols)
            yield y * side, x * side, side


def _sample(source: ImageSource, *, finest: bool) -> NDArray[Any]:
    """The pixels that decide, (n, channels): all of a small image, a fixed part of a large one.

    finest: not of a coarser level, whose pixels are means.
    """
    budget = min(EXACT_PIXELS, max(1, SAMPLED_VALUES // source.channels))
    level = 0 if finest else _level_for_sampling(source, budget)
    factor = source.levels[level]
    if source.height * source.width / factor**2 <= budget:
        whole = source.read(Window(0, 0, source.height, source.width, level))
        return whole.reshape(-1, source.channels)
    parts = []
    height, width = source.height / factor, source.width / factor
    for y, x, side in _blocks(math.ceil(height), math.ceil(width), budget):
        n = math.ceil(side * factor)
        part = source.read(Window(round(y * factor), round(x * factor), n, n, level))
        parts.append(part.reshape(-1, source.channels))
    return np.concatenate(parts)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _pair(
    values: NDArray[Any], low_percentile: float, high_percentile: float
) -> tuple[float, float]:
    """Two distinct percentiles of finite values."""
    if not values.size:
        return 0.0, 1.0
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
    low, high = (float(v) for v in np.percentile(values, (low_percentile, high_percentile)))
    if not low < high:
        # Nearly everything has one value: what differs from it must still be seen.
        low, high = float(values.min()), float(values.max())
    if not low < high:
        high = low + max(1.0, abs(low) * 1e-6)
    return low, high


def _parts(source: ImageSource, *, finest: bool) -> list[NDArray[Any]]:
    """What percentiles are taken of, finite: all of RGB together, else channel by channel."""
    sample = _sample(source, finest=finest)
    return [_finite(part) for part in ([sample.reshape(-1)] if source.rgb else sample.T)]


def _nodata(source: ImageSource, parts: list[NDArray[Any]]) -> list[float | None]:
    """For each part the value of pixels that were not measured: declared, or guessed and told."""
    declared = nodata_of(source)[: len(parts)]
    # A photograph's black and white are colours.
    guess = not (source.rgb and source.dtype == np.uint8)
    found = []
    for values, value in zip(parts, declared, strict=True):
        if value is None and guess:
            value = likely_nodata(values)
            if value is not None:
                warnings.warn(
                    f"{float((values == value).mean()):.0%} of the pixels have the value "
                    f"{value:g}, far from all others: they are taken for pixels without a "
                    "measurement and left out of the contrast.",
                    ImageWarning,
                    stacklevel=3,
                )
        found.append(value)
    return found


def intensity_window(
    source: ImageSource, *, low_percentile: float = 0.1, high_percentile: float = 99.9
) -> IntensityWindow:
    """The intensity window of a whole image plane: two percentiles of each channel.

    RGB takes both percentiles over its three channels together. NaN, infinity and the source's
    nodata are left out, and so is, with a warning, a value that more than 5 % of the pixels have
    and that seems to stand for "not measured" (see `nodata.likely_nodata`). Exact up to 4 Mpx;
    beyond that a coarse pyramid level, or a regular grid of blocks, decides, always the same one,
    in bounded memory. Raises ValueError for percentiles out of order.
    """
    if not 0 <= low_percentile < high_percentile <= 100:
        raise ValueError(
            f"Percentiles need 0 <= low < high <= 100, not {low_percentile} and {high_percentile}."
        )
    parts = _parts(source, finest=False)
    left_out = _nodata(source, parts)
    if len(source.levels) > 1 and any(value is not None for value in left_out):
        parts = _parts(source, finest=True)
    pairs = [
        _pair(measured(values, value), low_percentile, high_percentile)
        for values, value in zip(parts, left_out, strict=True)
    ]
    if source.rgb:
        pairs = pairs * source.channels
    return IntensityWindow(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def _to_8bit(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values through one pair, monotone: low and below 0, high and above 255, NaN 0."""
    wide = values.dtype.kind == "f" or values.dtype.itemsize >= 4
    unit = np.asarray(values, np.float64 if wide else np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.clip((np.clip(unit, low, high) - low) / (high - low), 0, 1)
    result: NDArray[np.uint8] = (np.nan_to_num(unit, nan=0.0) * 255 + 0.5).astype(np.uint8)
    return result


def _rgb_channels(count: int, channels: Sequence[int] | None) -> tuple[int, int, int]:
    chosen = tuple(channels) if channels is not None else tuple(range(min(count, 3)))
    if not 1 <= len(chosen) <= 3:
        raise ValueError(f"Choose one, two or three channels, not {len(chosen)}.")
    if any(not 0 <= c < count for c in chosen):
        raise ValueError(f"The image has {count} channels, 0 to {count - 1}: {chosen} goes beyond.")
    if len(chosen) == 1:
        return chosen[0], chosen[0], chosen[0]
    if len(chosen) == 2:
        # Magenta and green: equal signals come out gray, and both survive a gray view.
        return chosen[0], chosen[1], chosen[0]
    return chosen[0], chosen[1], chosen[2]


def to_rgb8(
    pixels: NDArray[Any], window: IntensityWindow, *, channels: tuple[int, ...] | None = None
) -> NDArray[np.uint8]:
    """Pixels as the model sees them: uint8 (h, w, 3).

    pixels: (h, w, C) or (h, w), any real dtype. channels: one to three channel numbers in the
    order red, green, blue; None takes the first three. One channel is shown as gray, two as
    magenta (first) and green (second). Raises ValueError for channels that do not exist.
    """
    stack = pixels[..., None] if pixels.ndim == 2 else pixels
    count = stack.shape[2]
    if len(window.low) not in (1, count):
        raise ValueError(f"The intensity window has {len(window.low)} pairs for {count} channels.")
    shown = _rgb_channels(count, channels)
    done: dict[int, NDArray[np.uint8]] = {}
    for c in set(shown):
        pair = window.of(c)
        done[c] = _to_8bit(stack[..., c], pair.low[0], pair.high[0])
    return np.stack([done[c] for c in shown], axis=-1)
