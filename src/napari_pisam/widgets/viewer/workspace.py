"""Everything of the plugin in one viewer except its window: commands, mouse, keys, journal.

It needs no Qt: with a ViewerModel and somebody who serves `session.requested` it works in a script.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_pisam.prompts import Box, Click
from napari_pisam.session.journal import ImageIdentity, Journal, Restored, restorable
from napari_pisam.session.objects import KeptObject, ObjectEdit
from napari_pisam.widgets.viewer.cursor import Cursor
from napari_pisam.widgets.viewer.hand_edits import HandEdits
from napari_pisam.widgets.viewer.image_plane import spatial_shape
from napari_pisam.widgets.viewer.keys import Keys
from napari_pisam.widgets.viewer.label_colours import LabelColours
from napari_pisam.widgets.viewer.label_layers import empty_labels
from napari_pisam.widgets.viewer.layer_bridge import LayerBridge
from napari_pisam.widgets.viewer.layer_store import connect
from napari_pisam.widgets.viewer.mouse import Mouse
from napari_pisam.widgets.viewer.pacing import at_once
from napari_pisam.widgets.viewer.prompt_layers import PROMPTS
from napari_pisam.widgets.viewer.refining import box_of_shapes, pointed_label

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

STATE_VARIABLE = "PISAM_STATE_DIR"


def state_folder() -> Path:
    """Where journals are kept: the folder in PISAM_STATE_DIR, else the system's for such data."""
    from platformdirs import user_state_path

    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else Path(user_state_path("napari-pisam", appauthor=False))


class Workspace:
    """One viewer with its session, mouse, keys and journal.

    viewer: a Viewer, a ViewerModel or napari's proxy of one. keys: changed keys by action.
    folder: where journals go. when_free: see LayerBridge. closed: the viewer is left alone.
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
        when_free: Callable[[Iterator[None]], None] = at_once,
    ) -> None:
        self.journal = Journal(folder or state_folder())
        self.bridge = LayerBridge(viewer, when_free=when_free)
        self.session = self.bridge.session
        self.viewer = self.bridge.viewer
        self.hand_edits = HandEdits(
            self.viewer, self.session, self.bridge.targets, when_free=when_free
        )
        self.mouse = Mouse(
            self.bridge, clicked=self._clicked, boxed=self._boxed, hovered=self._hover
        )
        self.cursor = Cursor(self.bridge, self.mouse, when_free=when_free)
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
        self._identities: dict[str, ImageIdentity] = {}
        self.closed = False
        self.session.message.connect(self.message.emit)
        self.session.changed.connect(self._on_session)
        self.session.written.connect(self._on_written)
        self.bridge.image_changed.connect(self._on_changed)
        self.bridge.image_changed.connect(self._note_image)
        self.bridge.layers_changed.connect(self.changed.emit)
        self.bridge.targets.changed.connect(self._on_target)
        self._let_go_active: Callable[[], None] = lambda: None
        self.viewer.layers.selection.events.active.connect(self._on_active)
        self._note_image()
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
        self.bridge.close(viewer_lives=viewer_lives)

    # Commands.

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
        """The next drag draws a box, or moves the picture again.

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
        image, plane = self.bridge.image, self.session.plane
        if image is None or plane is None:
            return
        box = box_of_shapes(shapes, image, plane.key.index)
        if box is None:
            self.message.emit("info", "Draw a rectangle on the plane that is shown first.")
            return
        # On with clicks.
        self.viewer.layers.selection.active = self.bridge.helpers.find(PROMPTS) or image
        self._boxed(box)

    def toggle_unsure(self) -> None:
        """Show or hide where the model is unsure."""
        display = self.bridge.display
        display.show_unsure = not display.show_unsure
        display.show()
        self.changed.emit()

    def pause(self, paused: bool) -> None:
        """Leave the mouse to napari, or take it back."""
        self.mouse.enabled = not paused
        self._on_changed()

    def go_to_doubt(self) -> None:
        """Show the next of the places where a correction helps most."""
        active_object, plane = self.session.active_object, self.session.plane
        places = (
            active_object.result.preview.doubtful_places
            if active_object is not None and active_object.result
            else ()
        )
        if not places or plane is None:
            self.message.emit("info", "There is no mask yet to be unsure of.")
            return
        self._place = (self._place + 1) % len(places)
        self.bridge.go_to(plane.key.index, places[self._place])

    def refine_under_cursor(self) -> None:
        """Start from the label under the mouse, of whichever labels layer shows one there."""
        plane, image, targets = self.session.plane, self.bridge.image, self.bridge.targets
        if plane is None or image is None:
            self.message.emit("info", "Point at a label of the image to refine it.")
            return
        found = pointed_label(
            targets, image, plane.key.index, self.viewer.cursor.position, dims=self.viewer.dims
        )
        if found is None:
            self.message.emit("info", "There is no label under the mouse.")
            return
        own, key = found.layer is targets.layer, targets.store_of(found.layer).key
        kept = self.session.registry.find(key, found.label, plane.key.index)
        if own and kept is not None and kept.mask.placed() == found.mask:
            self.session.reopen(kept)
        else:
            label, store = (found.label, key) if own else (None, None)
            self.session.refine(found.mask, label=label, store=store)

    # Kept objects.

    @property
    def objects(self) -> tuple[KeptObject, ...]:
        """The objects kept in the chosen labels."""
        key = self.bridge.targets.key
        return self.session.registry.of(key) if key is not None else ()

    def colour_of(self, kept: KeptObject) -> tuple[int, int, int] | None:
        """The colour of an object in its labels, 0 to 255; None while they do not show it."""
        layer = self.bridge.targets.layer
        if layer is None or self.bridge.targets.key != kept.store:
            return None
        return self._colours.of(layer, kept.label)

    def show_object(self, kept: KeptObject) -> None:
        """Bring an object into view."""
        if self._goes_to_image(kept):
            m = kept.mask
            self.bridge.go_to(kept.index, Click(m.y + m.height / 2, m.x + m.width / 2))

    def reopen(self, kept: KeptObject) -> None:
        """Bring an object into view and open it for correction."""
        self.show_object(kept)
        self.session.reopen(kept)

    def remove(self, kept: KeptObject) -> None:
        """Delete an object from its labels."""
        store = self.bridge.targets.find(kept.store)
        if store is not None:
            self.session.remove(kept, store)

    def _goes_to_image(self, kept: KeptObject) -> bool:
        """Choose the object's image again, if it is still there."""
        names = self.bridge.names
        image = next((i for i in self.bridge.images() if names.of(i) == kept.image), None)
        if image is not None and image is not self.bridge.image:
            self.bridge.choose_image(image)
        return image is not None

    # The journal.

    def identity(self, image: Image) -> ImageIdentity:
        """How the journal knows an image: by its file, else by its name."""
        path = image.source.path
        return ImageIdentity(str(path) if path else str(image.name), spatial_shape(image))

    def earlier_work(self, identity: ImageIdentity) -> Restored | None:
        """Objects of that image from a session that ended (any thread may request)."""
        return restorable(self.journal.path.parent, identity, but=self.journal.path)

    def restore(self, found: Restored) -> None:
        """Bring objects of an earlier session back, in a new labels layer."""
        image = self.bridge.image
        if image is None or spatial_shape(image) != found.identity.shape:
            self.message.emit("error", "Choose the image that these objects belong to first.")
            return
        wide = max((o.label for o in found.objects), default=0) > np.iinfo(np.uint16).max
        labels = empty_labels(found.identity.shape, np.dtype(np.uint32 if wide else np.uint16))
        found.write_into(labels)
        layer = self.bridge.targets.add(image, labels)
        store = self.bridge.targets.store_of(layer)
        name = self.bridge.names.of(image)
        for edit in found.edits:
            self._on_written(ObjectEdit(store, (edit,)))
        for kept in found.objects:
            again = replace(kept, store=store.key, image=name)
            self._on_written(self.session.registry.apply(ObjectEdit(store, added=(again,))))
        self.message.emit("info", f"{len(found.objects)} objects are back in “{layer.name}”.")
        self.changed.emit()

    # What happens.

    def _clicked(self, click: Click, prompt: bool) -> None:
        self.session.click(click, prompt=prompt)

    def _boxed(self, box: Box) -> None:
        self.mouse.box_mode = False
        source = self.session.plane.source if self.session.plane is not None else None
        if source is None:
            return
        inside = (
            max(box.y_min, -0.5),
            max(box.x_min, -0.5),
            min(box.y_max, source.height - 0.5),
            min(box.x_max, source.width - 0.5),
        )
        if inside[0] < inside[2] and inside[1] < inside[3]:
            self.session.set_box(Box(*inside))
        else:
            self.message.emit("info", "That box is outside the image.")

    def _hover(self, click: Click | None) -> None:
        """Say what a click would do here."""
        self.cursor.moved()
        active_object = self.session.active_object
        result = active_object.result if active_object is not None else None
        if click is None or result is None or self.session.plane is None:
            self.hovered.emit("")
        elif self.session.plane.holds(click):
            self.hovered.emit("removes" if result.covers(click) else "adds")

    def _note_image(self) -> None:
        """An object may be written after its image has gone, and goes into the journal with it."""
        if self.bridge.image is not None:
            name = self.bridge.names.of(self.bridge.image)
            self._identities[name] = self.identity(self.bridge.image)

    def _on_written(self, edit: ObjectEdit) -> None:
        self._note_image()
        image = self.bridge.image
        current = self.bridge.names.of(image) if image is not None else ""
        name = next((kept.image for kept in (*edit.added, *edit.removed)), current)
        identity = self._identities.get(name)
        if identity is None:
            return
        self.journal.append(edit, identity)
        if self.journal.failed:
            self.message.emit("error", self.journal.failed)

    def _on_target(self) -> None:
        self.keys.bind_labels(self.bridge.targets.layer)
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
