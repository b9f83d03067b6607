"""The panel follows the session, the viewer's layers and what the model does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_pisam.widgets.segment_dock.dock_state import Layers, dock_state
from napari_pisam.widgets.segment_dock.modes import Situation

if TYPE_CHECKING:
    from napari_pisam.predict.results import SegmentResult
    from napari_pisam.session.objects import KeptObject
    from napari_pisam.widgets.segment_dock.model_requests import ModelRequests
    from napari_pisam.widgets.segment_dock.panel import Panel
    from napari_pisam.widgets.segment_dock.restore import EarlierObjects
    from napari_pisam.widgets.viewer.mouse import Mouse
    from napari_pisam.widgets.viewer.scheduling import Scheduler
    from napari_pisam.widgets.viewer.viewer_session import ViewerSession


class DockView:
    """Shows in the panel what `dock_state` says.

    pointed: what a click under the mouse would do, "adds", "removes" or "".
    """

    def __init__(
        self,
        panel: Panel,
        view: ViewerSession,
        mouse: Mouse,
        *,
        scheduler: Scheduler,
        requests: ModelRequests,
        earlier: EarlierObjects,
    ) -> None:
        self._panel, self._view, self._mouse = panel, view, mouse
        self._scheduler, self._requests, self._earlier = scheduler, requests, earlier
        self._last_result: SegmentResult | None = None
        self.pointed = ""

    def show_soon(self) -> None:
        """Show it in a later turn of the event loop, once for all that changes until then."""
        self._scheduler.request("panel", self.show)

    def show(self) -> None:
        """Show it now."""
        layers = self._layers()
        state = dock_state(
            self._view.session,
            self._situation(),
            layers,
            offer=self._earlier.offer,
            last_result=self._last_result,
        )
        self._last_result = state.result
        self._panel.show_state(state)
        self._panel.looks.show_layers(self._view.image, self._view.image_choice.images())

    def point(self, pointed: str) -> None:
        """The mouse is at another place of the mask."""
        if pointed != self.pointed:
            self.pointed = pointed
            self.show_soon()

    def forget_result(self) -> None:
        """Another model is chosen: the last result says nothing about it."""
        self._last_result = None

    def _situation(self) -> Situation:
        view, mouse = self._view, self._mouse
        image, selected = view.image, view.viewer.layers.selection.active
        images = view.image_choice.images()
        return Situation(
            image=image.name if image is not None else None,
            selected=selected.name if selected is not None else None,
            other_image=any(selected is other for other in images if other is not image),
            has_shapes=_has_shapes(selected),
            tool=str(selected.mode) if selected is not None else "pan_zoom",
            clicks_on=mouse.enabled,
            listens=mouse.listens,
            box_mode=mouse.box_mode,
            pointed=self.pointed,
            stage=self._requests.stage,
            show_unsure=view.layer_sync.options.show_doubt,
        )

    def _layers(self) -> Layers:
        view, targets = self._view, self._view.label_layers
        images, labels = view.image_choice.images(), targets.layers()
        return Layers(
            images=[layer.name for layer in images],
            image=_row_of(view.image, images),
            labels=[layer.name for layer in labels],
            target=_row_of(targets.layer, labels),
            objects=self._objects(),
            deleted=[layer.name for layer in targets.orphans],
        )

    def _objects(self) -> tuple[KeptObject, ...]:
        key = self._view.label_layers.key
        return self._view.session.registry.of(key) if key is not None else ()


def _row_of(layer: Any, layers: Sequence[Any]) -> int | None:
    return next((row for row, other in enumerate(layers) if other is layer), None)


def _has_shapes(layer: Any) -> bool:
    from napari.layers import Shapes

    return isinstance(layer, Shapes) and len(layer.data) > 0
