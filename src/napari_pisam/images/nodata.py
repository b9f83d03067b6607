"""Pixels that were not measured, told by their value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A value of nearly no pixels cannot spoil the contrast.
LEAST_SHARE = 0.05
# Of fewer pixels, and where the others have so few values, a share says nothing: drawings and label
# images have values far apart.
LEAST_PIXELS, LEAST_VALUES = 1000, 16
# Real numbers from here on stand for "no value" in several formats.
HUGE = 1e19


def measured(values: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """The values that are not the one for pixels that were not measured.

    values: finite. All of them where the others have one value only: then that one is what is
    to be told from them.
    """
    if nodata is None:
        return values
    others = values[values != values.dtype.type(nodata)] if _fits(nodata, values) else values
    return others if others.size and others.min() < others.max() else values


def likely_nodata(values: NDArray[Any]) -> float | None:
    """A value at one end that more than 5 % have and that seems to stand for "not measured".

    values: finite, of any real dtype. It is as far from the others as they are from each other, or
    farther, and one that programs write for "no value": 0, a dtype's least or largest, a negative
    whole number where all others are positive, nines, or huge. 255 of 8 bits is what overexposed
    pixels have. None when there is no such value.
    """
    if values.size < LEAST_PIXELS or values.dtype.kind == "b":
        return None
    for value in (values.min(), values.max()):
        same = values == value
        share = float(same.mean())
        if not LEAST_SHARE < share < 1:
            continue
        others = values[~same]
        if len(np.unique(others[:: max(1, others.size // 10_000)])) < LEAST_VALUES:
            continue
        least, most = float(others.min()), float(others.max())
        low, high = (float(v) for v in np.percentile(others, (0.1, 99.9)))
        gap = max(least - float(value), float(value) - most)
        if low < high and gap > high - low and _stands_for_none(value, least):
            return float(value)
    return None


def _stands_for_none(value: Any, least: float) -> bool:
    number, dtype = float(value), np.dtype(value.dtype)
    if number == 0 or abs(number) >= HUGE:
        return True
    if dtype.kind in "iu" and dtype.itemsize > 1:
        limits = np.iinfo(dtype)
        if number in (limits.min, limits.max):
            return True
    if number != round(number):
        return False
    return (number < 0 and (least >= 0 or number == -128)) or _is_nines(abs(number))


def _is_nines(number: float) -> bool:
    digits = str(int(number))
    return (len(digits) > 2 and set(digits) == {"9"}) or number in (32767, 32768)


def _fits(nodata: float, values: NDArray[Any]) -> bool:
    if values.dtype.kind not in "iu":
        return True
    limits = np.iinfo(values.dtype)
    return bool(limits.min <= nodata <= limits.max and nodata == round(nodata))
