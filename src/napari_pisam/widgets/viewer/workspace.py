"""Everything of the plugin in one viewer except its window: commands, mouse, keys, journal.

It needs no Qt: in a script it works with a ViewerModel and whatever serves `session.requested`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_pisam.prompts import Box, Click
from napari_pisam.session.journal import ImageIdentity, Restored
from napari_pisam.session.objects import KeptObject
from napari_pisam.widgets.viewer.cursor import Cursor
from napari_pisam.widgets.viewer.event_connections import connect
from napari_pisam.widgets.viewer.hand_edits import HandEdits
from napari_pisam.widgets.viewer.journaling import Journaling
from napari_pisam.widgets.viewer.keys import Keys
from napari_pisam.widgets.viewer.label_colours import LabelColours
from napari_pisam.widgets.viewer.mouse import Mouse
from napari_pisam.widgets.viewer.prompt_layers import PROMPTS
from napari_pisam.widgets.viewer.refining import box_of_shapes, pointed_label
from napari_pisam.widgets.viewer.scheduling import ImmediateScheduler, Scheduler
from napari_pisam.widgets.viewer.viewer_session import ViewerSession

if TYPE_CHECKING:
    from napari.layers import Shapes

STATE_VARIABLE = "PISAM_STATE_DIR"


def state_folder() -> Path:
    """Where journals are kept: the folder in PISAM_STATE_DIR, else the system's for such data."""
    from platformdirs import user_state_path

    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else Path(user_state_path("napari-pisam", appauthor=False))


class Workspace:
    """One viewer with its session, mouse, keys and journal.

    viewer: a Viewer, a ViewerModel or napari's proxy of one. keys: changed keys by action.
    folder: where journals go. scheduler: does what can wait; by default nothing waits. closed: the
    viewer is left alone.
    Signals: changed(), anything that the window shows; message(level, sentence); hovered(text):
    what a click would do now ("adds", "removes", "").
    """

    changed = Signal()
    message = Signal(str, str)
    hovered = Signal(str)

    def __init__(
        self,
        viewer: Any,
        *,
        keys: Mapping[str, str] | None = None,
        folder: Path | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        scheduler = scheduler or ImmediateScheduler()
        self.view = ViewerSession(viewer, scheduler)
        self.session = self.view.session
        self.viewer = self.view.viewer
        self.journaling = Journaling(self.view, folder or state_folder())
        self.hand_edits = HandEdits(
            self.viewer, self.session, self.view.label_layers, scheduler=scheduler
        )
        self.mouse = Mouse(self.view, boxed=self._boxed, hovered=self._hover)
        self.cursor = Cursor(self.view, scheduler, is_ours=lambda: self.mouse.listens)
        self.commands = {
            "keep": self.keep,
            "drop": self.drop,
            "undo": self.session.undo,
            "redo": self.session.redo,
            "flip": self.session.flip,
            "box": self.toggle_box_mode,
            "refine": self.refine_under_cursor,
            "doubt": self.go_to_doubt,
            "unsure": self.toggle_unsure,
        }
        self.keys = Keys(self.viewer, self.commands, keys or {})
        self._place = 0
        self._colours = LabelColours()
        self.closed = False
        self.session.message.connect(self.message.emit)
        self.session.changed.connect(self._on_session)
        self.view.image_choice.changed.connect(self._on_changed)
        self.view.layers_changed.connect(self.changed.emit)
        self.view.label_layers.changed.connect(self._on_target)
        self._let_go_active: Callable[[], None] = lambda: None
        self.viewer.layers.selection.events.active.connect(self._on_active)
        self._on_target()
        self._on_active()

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer; kept objects stay in their labels.

        viewer_lives: False when the window is going too, and no layer may be touched any more.
        """
        if self.closed:
            return
        self.closed = self.cursor.closed = True
        self.viewer.layers.selection.events.active.disconnect(self._on_active)
        self._let_go_active()
        self.keys.close()
        self.mouse.close()
        self.hand_edits.close()
        self.view.close(viewer_lives=viewer_lives)

    def keep(self) -> None:
        """Keep the active object."""
        self.session.keep()

    def drop(self) -> None:
        """Leave box mode, or drop the active object."""
        if self.mouse.box_mode:
            self.toggle_box_mode()
        else:
            self.session.drop()

    def toggle_box_mode(self) -> None:
        """The next drag draws a box, or moves the image again.

        While a shapes layer with shapes is selected, its shape gives the box.
        """
        shapes = self.shapes
        if shapes is not None:
            self._box_of(shapes)
            return
        self.mouse.box_mode = not self.mouse.box_mode
        self.changed.emit()

    @property
    def shapes(self) -> Shapes | None:
        """The selected shapes layer, if it has shapes in it."""
        from napari.layers import Shapes as ShapesLayer

        active = self.viewer.layers.selection.active
        return active if isinstance(active, ShapesLayer) and len(active.data) else None

    def _box_of(self, shapes: Shapes) -> None:
        image, plane = self.view.image, self.session.plane
        if image is None or plane is None:
            return
        box = box_of_shapes(shapes, image, plane.key.index)
        if box is None:
            self.message.emit("info", "Draw a rectangle on the plane that is shown first.")
            return
        # On with clicks.
        self.viewer.layers.selection.active = self.view.helpers.find(PROMPTS) or image
        self._boxed(box)

    def toggle_unsure(self) -> None:
        """Show or hide where the model is unsure."""
        layers = self.view.layer_sync
        layers.show_doubt(not layers.options.show_doubt)
        self.changed.emit()

    def pause(self, paused: bool) -> None:
        """Leave the mouse to napari, or take it back."""
        self.mouse.enabled = not paused
        self._on_changed()

    def go_to_doubt(self) -> None:
        """Show the next of the places where a correction helps most."""
        active_object, plane = self.session.active_object, self.session.plane
        result = active_object.result if active_object is not None else None
        places = result.preview.doubtful_places if result is not None else ()
        if not places or plane is None:
            self.message.emit("info", "There is no mask yet to be unsure of.")
            return
        self._place = (self._place + 1) % len(places)
        self.view.plane_shown.go_to(plane.key.index, places[self._place])

    def refine_under_cursor(self) -> None:
        """Start from the label under the mouse, of whichever labels layer shows one there."""
        plane, image, labels = self.session.plane, self.view.image, self.view.label_layers
        if plane is None or image is None:
            self.message.emit("info", "Point at a label of the image to refine it.")
            return
        found = pointed_label(
            labels,
            image,
            plane.key.index,
            world=self.viewer.cursor.position,
            dims=self.viewer.dims,
        )
        if found is None:
            self.message.emit("info", "There is no label under the mouse.")
            return
        own, key = found.layer is labels.layer, labels.store_of(found.layer).key
        kept = self.session.registry.find(key, found.label, plane.key.index)
        if own and kept is not None and kept.mask.placed() == found.mask:
            self.session.reopen(kept)
        else:
            label, store = (found.label, key) if own else (None, None)
            self.session.refine(found.mask, label=label, store=store)

    @property
    def objects(self) -> tuple[KeptObject, ...]:
        """The objects kept in the chosen labels."""
        key = self.view.label_layers.key
        return self.session.registry.of(key) if key is not None else ()

    def colour_of(self, kept: KeptObject) -> tuple[int, int, int] | None:
        """The colour of an object in its labels, 0 to 255; None while they do not show it."""
        layer = self.view.label_layers.layer
        if layer is None or self.view.label_layers.key != kept.store:
            return None
        return self._colours.of(layer, kept.label)

    def show_object(self, kept: KeptObject) -> None:
        """Bring an object into view."""
        if self.view.image_choice.choose_named(kept.image):
            m = kept.mask
            self.view.plane_shown.go_to(kept.index, Click(m.y + m.height / 2, m.x + m.width / 2))

    def reopen(self, kept: KeptObject) -> None:
        """Bring an object into view and open it for correction."""
        self.show_object(kept)
        self.session.reopen(kept)

    def remove(self, kept: KeptObject) -> None:
        """Delete an object from its labels."""
        store = self.view.label_layers.find(kept.store)
        if store is not None:
            self.session.remove(kept, store)

    def earlier_work(self, identity: ImageIdentity) -> Restored | None:
        """Objects of that image from a session that ended; any thread may call it."""
        return self.journaling.earlier_work(identity)

    def restore(self, found: Restored) -> None:
        """Bring objects of an earlier session back, in a new labels layer."""
        self.journaling.restore(found)
        self.changed.emit()

    def _boxed(self, box: Box) -> None:
        self.mouse.box_mode = False
        source = self.session.plane.source if self.session.plane is not None else None
        if source is None:
            return
        inside = _clipped(box, source.height, source.width)
        if inside is not None:
            self.session.set_box(inside)
        else:
            self.message.emit("info", "That box is outside the image.")

    def _hover(self, click: Click | None) -> None:
        """Announce what a click would do here."""
        self.cursor.moved()
        active_object = self.session.active_object
        result = active_object.result if active_object is not None else None
        if click is None or result is None or self.session.plane is None:
            self.hovered.emit("")
        elif self.session.plane.holds(click):
            self.hovered.emit("removes" if result.covers(click) else "adds")

    def _on_target(self) -> None:
        self.keys.bind_labels(self.view.label_layers.layer)
        self.changed.emit()

    def _on_active(self, event: Any = None) -> None:
        """Another layer is selected: its tool, or the shapes in it, decide whose clicks are."""
        from napari.layers import Shapes as ShapesLayer

        active = self.viewer.layers.selection.active
        names = ("mode", "data") if isinstance(active, ShapesLayer) else ("mode",)
        emitters = [] if active is None else [getattr(active.events, n, None) for n in names]
        self._let_go_active()
        self._let_go_active = connect(*((e, self._on_changed) for e in emitters if e is not None))
        self._on_changed()

    def _on_session(self) -> None:
        self.cursor.refresh_soon()
        self.changed.emit()

    def _on_changed(self, event: Any = None) -> None:
        self.cursor.refresh()
        self.changed.emit()


def _clipped(box: Box, height: int, width: int) -> Box | None:
    """The part of a box that lies in an image of that size; None when there is none."""
    top, left = max(box.y_min, -0.5), max(box.x_min, -0.5)
    bottom, right = min(box.y_max, height - 0.5), min(box.x_max, width - 0.5)
    return Box(top, left, bottom, right) if top < bottom and left < right else None
