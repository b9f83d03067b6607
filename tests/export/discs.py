"""A label image with one disc."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def disk(size: int = 60, value: int = 3) -> NDArray[np.int32]:
    y, x = np.mgrid[:size, :size] - size // 2
    return np.where(y**2 + x**2 < (size // 3) ** 2, value, 0).astype(np.int32)
