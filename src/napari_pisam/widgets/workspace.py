"""Everything of the plugin in one viewer except its window: commands, mouse, keys, journal.

It needs no Qt: with a ViewerModel and somebody who answers `session.asked` it works in a script.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_pisam.geometry import Window
from napari_pisam.prompts import Box, Click, PlacedMask
from napari_pisam.session.book import BookEdit
from napari_pisam.session.journal import ImageIdentity, Journal, Restored, restorable
from napari_pisam.session.keeping import KeptObject, LabelEdit
from napari_pisam.widgets.identity import is_in
from napari_pisam.widgets.image_plane import spatial_shape
from napari_pisam.widgets.keys import Keys
from napari_pisam.widgets.layer_bridge import LayerBridge
from napari_pisam.widgets.mouse import Mouse
from napari_pisam.widgets.pacing import at_once

if TYPE_CHECKING:
    from napari.layers import Image, Labels

STATE_VARIABLE = "PISAM_STATE_DIR"


def state_folder() -> Path:
    """Where journals are kept: the folder in PISAM_STATE_DIR, else the system's for such data."""
    from platformdirs import user_state_path

    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else Path(user_state_path("napari-pisam", appauthor=False))


class Workspace:
    """One viewer with its session, mouse, keys and journal.

    viewer: a Viewer, a ViewerModel or napari's proxy of one. keys: changed keys by action.
    folder: where journals go. when_free: see LayerBridge.
    Signals: changed(), anything that the window shows; said(level, sentence); hovered(text), what
    a click would do now ("adds", "removes", "").
    """

    changed = Signal()
    said = Signal(str, str)
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
        self.mouse = Mouse(
            self.bridge, clicked=self._clicked, boxed=self._boxed, hovered=self._hover
        )
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
        self._identities: dict[str, ImageIdentity] = {}
        self._closed = False
        self.session.said.connect(self.said.emit)
        self.session.changed.connect(self._on_changed)
        self.session.written.connect(self._on_written)
        self.bridge.image_changed.connect(self._on_changed)
        self.bridge.image_changed.connect(self._note_image)
        self.bridge.layers_changed.connect(self.changed.emit)
        self.bridge.targets.changed.connect(self._on_target)
        self.viewer.layers.selection.events.active.connect(self._on_changed)
        self._note_image()
        self._on_target()

    def close(self, *, viewer_lives: bool = True) -> None:
        """Let go of the viewer; kept objects stay in their labels.

        viewer_lives: False when the window is going too, and no layer may be touched any more.
        """
        if self._closed:
            return
        self._closed = True
        self.viewer.layers.selection.events.active.disconnect(self._on_changed)
        self.keys.close()
        self.mouse.close()
        self.bridge.close(viewer_lives=viewer_lives)

    # Commands.

    def keep(self) -> None:
        """Keep the running object."""
        self.session.keep()

    def drop(self) -> None:
        """Leave box mode, or drop the running object."""
        if self.mouse.box_mode:
            self.toggle_box_mode()
        else:
            self.session.drop()

    def toggle_box_mode(self) -> None:
        """The next drag draws a box, or moves the picture again."""
        self.mouse.box_mode = not self.mouse.box_mode
        self.changed.emit()

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
        running, plane = self.session.running, self.session.plane
        places = running.answer.places if running is not None and running.answer else ()
        if not places or plane is None:
            self.said.emit("info", "There is no mask yet to be unsure of.")
            return
        self._place = (self._place + 1) % len(places)
        self.bridge.go_to(plane.key.index, places[self._place])

    def refine_under_cursor(self) -> None:
        """Start from the label under the mouse, of whichever labels layer shows one there."""
        plane = self.session.plane
        click = self.bridge.pixel(self.viewer.cursor.position) if plane is not None else None
        if plane is None or click is None or not plane.holds(click):
            self.said.emit("info", "Point at a label of the image to refine it.")
            return
        row, col = round(click.y), round(click.x)
        for layer in self._labels_to_refine():
            found = self._label_mask(layer, row, col)
            if found is None:
                continue
            label, mask = found
            self._refine(layer, label, mask)
            return
        self.said.emit("info", "There is no label under the mouse.")

    def _labels_to_refine(self) -> list[Labels]:
        """Labels layers over this image, the chosen one first."""
        image, target = self.bridge.image, self.bridge.targets.layer
        if image is None:
            return []
        shape = spatial_shape(image)
        layers = [
            layer
            for layer in self.bridge.targets.layers()
            if layer.visible and not layer.multiscale and tuple(layer.data.shape) == shape
        ]
        return sorted(layers, key=lambda layer: layer is not target)

    def _label_mask(self, layer: Labels, row: int, col: int) -> tuple[int, PlacedMask] | None:
        """The label at a pixel of the plane and its mask there; None for background."""
        plane = self.session.plane
        if plane is None:
            return None
        canvas = self.bridge.targets.canvas_of(layer)
        index, source = plane.key.index, plane.source
        label = int(canvas.read(index, Window(row, col, 1, 1))[0, 0])
        if not label:
            return None
        whole = canvas.read(index, Window(0, 0, source.height, source.width))
        return label, PlacedMask(0, 0, whole == label).cropped()

    def _refine(self, layer: Labels, label: int, mask: PlacedMask) -> None:
        targets, plane = self.bridge.targets, self.session.plane
        own = layer is targets.layer
        key = targets.canvas_of(layer).key
        kept = self.session.book.find(key, label, plane.key.index) if plane else None
        if own and kept is not None and kept.mask.placed() == mask:
            self.session.reopen(kept)
        else:
            self.session.refine(mask, label=label if own else None, canvas=key if own else None)

    # Kept objects.

    @property
    def objects(self) -> tuple[KeptObject, ...]:
        """The objects kept in the chosen labels."""
        key = self.bridge.targets.key
        return self.session.book.of(key) if key is not None else ()

    def colour_of(self, kept: KeptObject) -> tuple[int, int, int] | None:
        """The colour of an object in its labels, 0 to 255; None while they do not show it."""
        layer = self.bridge.targets.layer
        if layer is None or self.bridge.targets.key != kept.canvas:
            return None
        colour = layer.get_color(kept.label)
        if colour is None:
            return None
        red, green, blue = (round(255 * float(part)) for part in colour[:3])
        return red, green, blue

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
        canvas = self.bridge.targets.find(kept.canvas)
        if canvas is not None:
            self.session.remove(kept, canvas)

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
        """Objects of that image from a session that ended (any thread may ask)."""
        return restorable(self.journal.path.parent, identity, but=self.journal.path)

    def restore(self, found: Restored) -> None:
        """Bring objects of an earlier session back, in a new labels layer."""
        image = self.bridge.image
        if image is None or spatial_shape(image) != found.identity.shape:
            self.said.emit("error", "Choose the image that these objects belong to first.")
            return
        wide = max((o.label for o in found.objects), default=0) > np.iinfo(np.uint16).max
        labels = found.labels(np.dtype(np.uint32 if wide else np.uint16))
        layer = self.bridge.targets.add(image, labels)
        canvas = self.bridge.targets.canvas_of(layer)
        name = self.bridge.names.of(image)
        for kept in found.objects:
            again = replace(kept, canvas=canvas.key, image=name)
            edit = BookEdit(canvas, LabelEdit(kept.index, kept.mask, 0, kept.label), come=(again,))
            self.session.book.apply(edit)
            self._on_written(edit)
        self.said.emit("info", f"{len(found.objects)} objects are back in “{layer.name}”.")
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
            self.said.emit("info", "That box is outside the image.")

    def _hover(self, click: Click | None) -> None:
        """Say what a click would do here."""
        running = self.session.running
        answer = running.answer if running is not None else None
        if click is None or answer is None or self.session.plane is None:
            self.hovered.emit("")
        elif self.session.plane.holds(click):
            self.hovered.emit("removes" if answer.covers(click) else "adds")

    def _note_image(self) -> None:
        """An object may be written after its image has gone, and goes into the journal with it."""
        if self.bridge.image is not None:
            name = self.bridge.names.of(self.bridge.image)
            self._identities[name] = self.identity(self.bridge.image)

    def _on_written(self, edit: BookEdit) -> None:
        self._note_image()
        image = self.bridge.image
        current = self.bridge.names.of(image) if image is not None else ""
        name = next((kept.image for kept in (*edit.come, *edit.gone)), current)
        identity = self._identities.get(name)
        if identity is None:
            return
        self.journal.append(edit, identity)
        if self.journal.failed:
            self.said.emit("error", self.journal.failed)

    def _on_target(self) -> None:
        self.keys.bind_labels(self.bridge.targets.layer)
        self.changed.emit()

    def _on_changed(self, event: Any = None) -> None:
        self.refresh_cursor()
        self.changed.emit()

    def refresh_cursor(self) -> None:
        """A ring of the typical size before the first click, cross-hairs afterwards."""
        if self._closed:
            return
        active = self.viewer.layers.selection.active
        cursor, running = self.viewer.cursor, self.session.running
        if not self.mouse.listens or running is None:
            cursor.style = active.cursor if is_in(active, self.viewer.layers) else "standard"
            return
        size = self.session.typical_size
        if running.untouched and size is not None and self.bridge.image is not None:
            spacing = float(np.mean(np.abs(np.asarray(self.bridge.image.scale)[-2:])))
            cursor.size = size * spacing
            cursor.style = "circle"
        else:
            cursor.style = "crosshair"
