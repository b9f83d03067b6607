"""Clicks that are read from the points layers, where a person or a script has put them.

What a session has is written into the same layers (`layer_sync`). Both know which rows a layer
ought to have; rows that it has are nothing to be read, whoever wrote them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_pisam.prompts import Click
from napari_pisam.session.plane import ImagePlane
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.helper_layers import HelperLayers
from napari_pisam.widgets.viewer.prompt_layers import (
    CORRECTIONS,
    PROMPTS,
    known_rows,
    plane_clicks,
    points_table,
)
from napari_pisam.widgets.viewer.view_state import ViewState

if TYPE_CHECKING:
    from napari.layers import Layer

READ_ACTIONS = ("added", "removed", "changed")
"""napari announces each change twice, before it and after; these are the words for after."""

Clicks = dict[str, tuple[Click, ...]]
"""The clicks of each points layer that there is, by its role."""


class PointsInput:
    """Reads points that were added, moved or removed by hand or by a script.

    wanted: what the layers are to show now. read: called when a layer had other rows than that.
    """

    def __init__(
        self,
        session: Session,
        helpers: HelperLayers,
        *,
        wanted: Callable[[], ViewState],
        read: Callable[[], None],
    ) -> None:
        self._session, self._helpers = session, helpers
        self._wanted, self._read = wanted, read
        helpers.made.connect(self._follow)

    def clicks_on(self, plane: ImagePlane | None) -> Clicks:
        """The clicks of the layers that lie on a plane."""
        if plane is None:
            return {}
        state, found = self._wanted(), dict[str, tuple[Click, ...]]()
        for role in (PROMPTS, CORRECTIONS):
            layer = self._helpers.find(role)
            if layer is not None:
                others = known_rows(state, role, but=plane.key.index)
                found[role] = plane_clicks(layer, role, plane.key.index, others=others)
        return found

    def take(self, found: Clicks) -> None:
        """Make the session's clicks those; one outside the image is announced and left out."""
        plane = self._session.plane
        if plane is None:
            return
        for role, clicks in found.items():
            inside = tuple(c for c in clicks if plane.holds(c))
            if len(inside) < len(clicks):
                self._session.message.emit("info", "That point is outside the image.")
            if role == PROMPTS:
                self._session.set_points(inside)
            else:
                self._session.set_corrections(inside)

    def _follow(self, role: str, layer: Layer) -> None:
        if role in (PROMPTS, CORRECTIONS):
            layer.events.data.connect(lambda event: self._on_data(role, layer, event))

    def _on_data(self, role: str, layer: Any, event: Any) -> None:
        if self._helpers.find(role) is not layer:
            return
        # An event that a script emits may say nothing of an action.
        if str(getattr(event, "action", "changed")) not in READ_ACTIONS:
            return
        state = self._wanted()
        if points_table(layer, role, state).is_held_by(layer):
            return
        if state.index is not None:
            self.take({role: self.clicks_on(self._session.plane)[role]})
        self._read()
