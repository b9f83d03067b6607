"""The one file that uses what napari does not promise, so that a new napari is tried here first.

Each function is one such use; tests/widgets/viewer/test_napari_compat.py tries every one on the
napari that is installed, the oldest supported one included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray

RING_OVERLAY = "brush_circle"
ZOOM_ON_DOUBLE_CLICK = "double_click_to_zoom"


def unwrapped(found: Any) -> Any:
    """The napari object behind the `__wrapped__` of the proxy that napari hands to plugins.

    Proxies of one layer differ from each other and from the layer, so that `is` and dictionaries
    fail with them; everything done with the object itself is public interface all the same.
    """
    return getattr(found, "__wrapped__", found)


def camera_of(viewer: Any) -> Any:
    """The viewer's camera, which moved from `viewer` to `viewer.scene` in napari 0.9."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def hide_middle_of_ring(viewer: Any) -> None:
    """Leave out the square in the canvas's colour that napari 0.9 lays under the brush circle."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", {})
    for name, overlay in overlays.items():
        if RING_OVERLAY in name:
            overlay.box = False


def zooms_on_double_click(viewer: Any) -> list[Callable[..., Any]]:
    """napari's own callbacks that zoom in on a double click, known by their function's name."""
    return [
        found
        for found in viewer.mouse_double_click_callbacks
        if getattr(found, "__name__", "") == ZOOM_ON_DOUBLE_CLICK
    ]


def class_key_binding(layer: Any, key: str) -> Callable[[Any], Any] | None:
    """What napari itself does with a key in that kind of layer, from the class's keymap."""
    from napari.utils.key_bindings import coerce_keybinding

    found = getattr(type(layer), "class_keymap", {}).get(coerce_keybinding(key))
    return found if callable(found) else None


def show_written_levels(layer: Any, levels: Sequence[Any]) -> None:
    """Draw a multiscale labels layer anew whose levels were written in place.

    napari 0.7 keeps no copy of the coarsest level, and its labels layers do not take the levels a
    second time; from 0.8 on a copy is kept until the levels are given again.
    """
    if napari.__version__.startswith("0.7."):
        layer.refresh(extent=False)
    else:
        layer.data = levels


@dataclass(frozen=True, slots=True, eq=False)
class PaintedBlock:
    """Pixels that one entry of a labels layer's history has written.

    start: the first place, one number for each axis. mask: the pixels of the block that were
    written, bool, with all axes of the labels. labels: what was written.
    """

    start: tuple[int, ...]
    mask: NDArray[np.bool_]
    labels: frozenset[int]


def painted_block(atoms: Sequence[Any]) -> PaintedBlock | None:
    """The pixels of one entry of a labels layer's history; None when it wrote none.

    atoms: (indices, old, new), or since napari 0.9 also (slices, mask or None, old, new label).
    """
    parts = [part for atom in atoms if (part := _part(atom)) is not None]
    if not parts:
        return None
    start = np.min([low for low, _, _ in parts], axis=0)
    stop = np.max([high for _, high, _ in parts], axis=0)
    mask = np.zeros(stop - start, np.bool_)
    for _, _, mark in parts:
        mark(mask, start)
    labels = frozenset(int(v) for atom in atoms for v in np.unique(atom[-1]))
    return PaintedBlock(tuple(start.tolist()), mask, labels)


def highest_painted(atoms: Sequence[Any]) -> int:
    """The highest label that one entry of a labels layer's history has written."""
    # Each atom ends with what was written: a label, or one for each pixel.
    return max((int(np.max(atom[-1], initial=0)) for atom in atoms), default=0)


Mark = Callable[[NDArray[np.bool_], NDArray[np.int64]], None]


def _part(atom: Any) -> tuple[list[int], list[int], Mark] | None:
    """First place, the one after the last, and what marks its pixels in a block."""
    if len(atom) == 4:
        slices, mask = atom[0], atom[1]
        low, high = [int(s.start) for s in slices], [int(s.stop) for s in slices]

        def mark_block(block: NDArray[np.bool_], start: NDArray[np.int64]) -> None:
            where = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
            block[where] |= True if mask is None else mask

        return low, high, mark_block
    places = [np.asarray(axis).ravel() for axis in np.broadcast_arrays(*atom[0])]
    if not places or not places[0].size:
        return None

    def mark_pixels(block: NDArray[np.bool_], start: NDArray[np.int64]) -> None:
        block[tuple(axis - s for axis, s in zip(places, start, strict=True))] = True

    return [int(a.min()) for a in places], [int(a.max()) + 1 for a in places], mark_pixels
