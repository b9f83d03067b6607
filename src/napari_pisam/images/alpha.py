"""Colours with alpha as they are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def top_of(dtype: np.dtype[Any], bits: int | None = None) -> float:
    """The value of full colour: 1 of real numbers, else the largest that so many bits hold."""
    if dtype.kind == "f" or dtype.kind == "b":
        return 1.0
    largest = float(np.iinfo(dtype).max)
    return min(largest, 2.0**bits - 1) if bits else largest


def over_black(pixels: NDArray[Any], top: float | None = None) -> NDArray[Any]:
    """Colours with straight alpha as they are seen over black: without alpha, in their dtype.

    pixels: (..., n + 1), alpha last. top: its value where nothing shines through.
    """
    alpha = pixels[..., -1:]
    top = top_of(pixels.dtype) if top is None else top
    if (alpha >= top).all():
        return pixels[..., :-1]
    share = np.clip(alpha.astype(np.float64) / top, 0, 1)
    return rounded(pixels[..., :-1] * share, pixels.dtype)


def rounded(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in a dtype; of whole numbers the nearest."""
    return (np.rint(values) if dtype.kind in "iu" else values).astype(dtype)
