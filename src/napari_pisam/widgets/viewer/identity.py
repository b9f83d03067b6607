"""Layers are known by what they are, never by their name, which the person may change."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari.layers import Layer

ROLE = "napari-pisam"
# In the metadata of an image layer: the value of pixels that were not measured.
NODATA = "napari-pisam nodata"


class LayerNames:
    """A lasting name for each layer; one that is duplicated gets another."""

    def __init__(self) -> None:
        self._names: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self._numbers = itertools.count(1)

    def of(self, layer: Layer) -> str:
        """The layer's name: the same as long as it lives, even while it is in no viewer."""
        name = self._names.get(layer)
        if name is None:
            name = self._names[layer] = f"layer{next(self._numbers)}"
        return name


def role_of(layer: Layer) -> str | None:
    """What a layer is for when it is one of ours (or a duplicate of one), else None."""
    role = layer.metadata.get(ROLE)
    return role if isinstance(role, str) else None


def is_in(layer: Layer | None, layers: Any) -> bool:
    """Whether that very layer is in a layer list."""
    return layer is not None and any(found is layer for found in layers)
