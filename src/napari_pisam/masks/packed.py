"""Masks held for long: a kept object weighs bits, not bytes."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.placed import PlacedMask

BAND_ROWS = 64
"""Rows that are packed at a time: a multiple of 8, so that each band ends with a whole byte."""


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A boolean mask without its empty margins, one bit a pixel, compressed.

    y, x: image pixels of its first row and column. height, width: image pixels; 0 when the mask
    is empty. area: pixels that are set. bits: zlib of numpy.packbits.
    """

    y: int
    x: int
    height: int
    width: int
    area: int
    bits: bytes

    @classmethod
    def of(cls, placed: PlacedMask) -> PackedMask:
        """The same mask, packed."""
        bounds = placed.bounds
        if bounds is None:
            return cls(placed.y, placed.x, 0, 0, 0, _compressed(())[1])
        rows, columns = bounds.seen_from(placed.y, placed.x).slices
        starts = range(rows.start, rows.stop, BAND_ROWS)
        bands = (placed.mask[y : min(y + BAND_ROWS, rows.stop), columns] for y in starts)
        return cls(bounds.y, bounds.x, bounds.height, bounds.width, *_compressed(bands))

    @classmethod
    def of_bands(cls, y: int, x: int, bands: Iterable[NDArray[np.bool_]]) -> PackedMask:
        """The mask whose rows come in bands from the top; never more than one of them is held.

        y, x: image pixels of the first band's first pixel. Empty margins are cut off.
        """
        bits = [np.packbits(band, axis=1) for band in bands]
        rows = np.concatenate(bits) if bits else np.zeros((0, 0), np.uint8)
        del bits
        filled = np.flatnonzero(rows.any(1))
        if not len(filled):
            return cls(y, x, 0, 0, 0, _compressed(())[1])
        columns = np.flatnonzero(np.unpackbits(np.bitwise_or.reduce(rows, 0)))
        top, bottom = int(filled[0]), int(filled[-1]) + 1
        left, right = int(columns[0]), int(columns[-1]) + 1
        tight = (
            np.unpackbits(rows[start : min(start + BAND_ROWS, bottom)], axis=1)[:, left:right]
            for start in range(top, bottom, BAND_ROWS)
        )
        return cls(y + top, x + left, bottom - top, right - left, *_compressed(tight))

    def placed(self) -> PlacedMask:
        """The same mask, unpacked."""
        return PlacedMask(self.y, self.x, self._unpacked())

    def _unpacked(self) -> NDArray[np.bool_]:
        packed = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        flat = np.unpackbits(packed, count=self.height * self.width)
        return flat.view(np.bool_).reshape(self.height, self.width)

    @property
    def bounds(self) -> Window | None:
        """The smallest rectangle that holds the mask; None when it is empty."""
        return Window(self.y, self.x, self.height, self.width) if self.area else None

    @property
    def span(self) -> int:
        """The longer side, image pixels."""
        return max(self.height, self.width)

    def as_json(self) -> dict[str, Any]:
        """What json.dumps takes; `from_json` reads it back."""
        box = [self.y, self.x, self.height, self.width, self.area]
        return {"box": box, "bits": base64.b64encode(self.bits).decode("ascii")}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PackedMask:
        """The mask that `as_json` wrote; raises KeyError, TypeError or ValueError."""
        y, x, height, width, area = (int(v) for v in data["box"])
        bits = base64.b64decode(data["bits"], validate=True)
        try:
            size = len(zlib.decompress(bits))
        except zlib.error as error:
            raise ValueError(f"A mask is damaged: {error}.") from error
        if size != -(-height * width // 8):
            raise ValueError(f"A mask of {height} x {width} pixels has {size} bytes.")
        return cls(y, x, height, width, area, bits)


def _compressed(bands: Iterable[NDArray[np.bool_] | NDArray[np.uint8]]) -> tuple[int, bytes]:
    """How many pixels are set in bands of BAND_ROWS rows, and their bits, compressed."""
    packer, area, parts = zlib.compressobj(1), 0, list[bytes]()
    for band in bands:
        area += int(np.count_nonzero(band))
        parts.append(packer.compress(np.packbits(band).tobytes()))
    return area, b"".join((*parts, packer.flush()))


NOTHING = PackedMask.of(PlacedMask(0, 0, np.zeros((0, 0), np.bool_)))
"""No pixel at all."""
