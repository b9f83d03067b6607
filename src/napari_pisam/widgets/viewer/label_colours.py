"""The colours in which a labels layer shows its labels, each looked up once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Labels

Colour = tuple[int, int, int]


class LabelColours:
    """Remembers colours as long as the layer shows its labels in the same way.

    The list of objects is painted anew with every picture of the window, and each look-up takes
    napari as long as drawing a whole row.
    """

    def __init__(self) -> None:
        self._layer: Any = None
        self._way: tuple[Any, ...] = ()
        self._found: dict[int, Colour | None] = {}

    def of(self, layer: Labels, label: int) -> Colour | None:
        """The colour of a label, 0 to 255; None while the layer does not show it."""
        selected = layer.selected_label if layer.show_selected_label else None
        way = (id(layer.colormap), selected)
        if layer is not self._layer or way != self._way:
            # The colour map is kept, so that no other one gets its id.
            self._layer, self._way, self._map = layer, way, layer.colormap
            self._found = {}
        if label not in self._found:
            colour = layer.get_color(label)
            self._found[label] = None if colour is None else _bytes(colour)
        return self._found[label]


def _bytes(colour: Any) -> Colour:
    red, green, blue = (round(255 * float(part)) for part in colour[:3])
    return red, green, blue
