"""Rectangles of the low-resolution grid: grow them, place one in another, cut an image by them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from napari_pisam.model.deform import Region


def grown(region: Region, margin: int, side: int) -> Region:
    """The rectangle with a margin, cut at the window's edge."""
    top, left = max(region.top - margin, 0), max(region.left - margin, 0)
    bottom = min(region.top + region.height + margin, side)
    right = min(region.left + region.width + margin, side)
    return Region(top, left, bottom - top, right - left)


def inside(region: Region, outer: Region) -> Region:
    """The rectangle counted from the first cell of another that holds it."""
    return Region(region.top - outer.top, region.left - outer.left, region.height, region.width)


def strips(region: Region, rows: int) -> Iterator[Region]:
    """The rectangle in strips of so many rows, top to bottom; the last may have fewer."""
    for top in range(0, region.height, rows):
        height = min(rows, region.height - top)
        yield Region(region.top + top, region.left, height, region.width)


def cut(feature: Tensor, region: Region, scale: int = 1) -> Tensor:
    """(B, C, L * scale, L * scale) -> the rectangle of it; region in cells."""
    rows = slice(region.top * scale, (region.top + region.height) * scale)
    columns = slice(region.left * scale, (region.left + region.width) * scale)
    return feature[..., rows, columns]
