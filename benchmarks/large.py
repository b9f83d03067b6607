"""Images that fit into no memory: what opening them and cutting one object takes."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_pisam.datasets.synthetic import SyntheticTissue
from napari_pisam.geometry import Window
from napari_pisam.prompts import Box

SIDE = 102_400
"""Of the image: 21 GB in 16 bits."""
TILE = 512


def pyramid() -> Path:
    """A tiled, compressed pyramid: a piece of tissue again and again, 0.6 GB on the disk."""
    path = _folder() / "pyramid.ome.tif"
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as file:
        factors = [2**i for i in range(7)]
        for k in factors:
            side = SIDE // k
            file.write(
                _tiles(side, k),
                shape=(side, side),
                dtype="uint16",
                tile=(TILE, TILE),
                compression="zlib",
                subifds=len(factors) - 1 if k == 1 else None,
                subfiletype=int(k > 1),
                metadata={} if k == 1 else None,
            )
    return path


def flat() -> Path:
    """An uncompressed image in strips, without a pyramid; what was never written takes no disk."""
    path = _folder() / "flat.tif"
    tissue = SyntheticTissue(SIDE, SIDE)
    file = tifffile.memmap(path, shape=(SIDE, SIDE), dtype="uint16", bigtiff=True)
    for y, x in ((51_000, 51_000), (10_000, 90_000)):
        window = Window(y, x, 600, 600)
        file[y : y + 600, x : x + 600] = tissue.region(window).pixels[..., 0]
    file.flush()
    return path


class LargeDisc:
    """An ImageSource of 32,000 x 32,000 pixels with one disc of 20,000, painted where read."""

    height = width = 32_000
    channels, dtype, rgb = 1, np.dtype(np.uint8), False
    levels = tuple(2.0**i for i in range(8))
    radius = 10_000
    box = Box(6_000, 6_000, 26_000, 26_000)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """See ImageSource."""
        inside = window.inside(self.height, self.width)
        if inside is None:
            return np.zeros((0, 0, 1), np.uint8)
        step = int(self.levels[window.level])
        y = np.arange(inside.y, inside.y + inside.height, step, dtype=np.float32)
        x = np.arange(inside.x, inside.x + inside.width, step, dtype=np.float32)
        squares = (y[:, None] - self.height / 2) ** 2 + (x - self.width / 2) ** 2
        return np.where(squares < self.radius**2, 180, 40).astype(np.uint8)[..., None]


def _folder() -> Path:
    """A folder that goes when the process ends."""
    made = tempfile.mkdtemp(prefix="pisam-bench-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _tiles(side: int, factor: int) -> Iterator[bytes]:
    """The compressed tiles of a level: all the same, of coarse grey levels to save disk."""
    size = TILE * factor
    rows = range(0, size, factor)
    piece = SyntheticTissue(size, size).sampled(rows, rows).pixels[..., 0]
    packed = zlib.compress((piece // 2048 * 2048).astype("<u2").tobytes(), 9)
    for _ in range((-(-side // TILE)) ** 2):
        yield packed
