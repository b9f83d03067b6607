"""Masks held for long: a kept object weighs bits, not bytes."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.placed import PlacedMask


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
        tight = placed.cropped()
        height, width = tight.mask.shape
        bits = zlib.compress(np.packbits(tight.mask).tobytes(), 1)
        return cls(tight.y, tight.x, height, width, int(tight.mask.sum()), bits)

    def placed(self) -> PlacedMask:
        """The same mask, unpacked."""
        return PlacedMask(self.y, self.x, self._unpacked())

    def _unpacked(self) -> NDArray[np.bool_]:
        packed = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        flat = np.unpackbits(packed, count=self.height * self.width)
        return flat.astype(np.bool_).reshape(self.height, self.width)

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


NOTHING = PackedMask.of(PlacedMask(0, 0, np.zeros((0, 0), np.bool_)))
"""No pixel at all."""
