"""Several gray images of one size as the channels of one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.source import ImageError, ImageSource, Reopenable, nodata_of, stored_levels


class BandSource:
    """Several one-channel sources of one size as the channels of one image.

    spec: where all of them together are found again, if anywhere. Raises ImageError for sources of
    several channels or sizes.
    """

    def __init__(self, sources: Sequence[ImageSource], *, spec: Reopenable | None = None) -> None:
        self._sources = tuple(sources)
        sizes = {(s.height, s.width) for s in self._sources}
        if len(sizes) != 1 or any(s.channels != 1 for s in self._sources):
            raise ImageError("Channels need to be gray images of one size: choose other layers.")
        self.height, self.width = sizes.pop()
        self.channels = len(self._sources)
        self.dtype: np.dtype[Any] = np.result_type(*(s.dtype for s in self._sources))
        # A pyramid beside a plain image: only the levels that all of them have can be read.
        fewest = min(len(s.levels) for s in self._sources)
        side_by_side = zip(*(s.levels[:fewest] for s in self._sources), strict=True)
        alike = takewhile(lambda f: max(f) < 1.01 * min(f), side_by_side)
        self.levels = tuple(factors[0] for factors in alike)
        stored = (stored_levels(s) for s in self._sources)
        self.stored_levels = min(*stored, len(self.levels))
        self.rgb, self.spec = False, spec
        self.nodata = tuple(nodata_of(s)[0] for s in self._sources)

    def read(self, window: Window) -> NDArray[Any]:
        """See ImageSource.read; a source without that level is read at full resolution's cost."""
        parts = [source.read(window).astype(self.dtype, copy=False) for source in self._sources]
        return np.concatenate(parts, axis=2)
