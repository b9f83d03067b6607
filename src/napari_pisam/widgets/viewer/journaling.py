"""What is kept goes into the journal with its image, and comes back from an earlier session's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_pisam.session.journal import ImageIdentity, Journal, Restored, restorable
from napari_pisam.session.objects import ObjectEdit
from napari_pisam.widgets.viewer.image_plane import spatial_shape
from napari_pisam.widgets.viewer.label_layers import empty_labels

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_pisam.widgets.viewer.viewer_session import ViewerSession


class Journaling:
    """The journal of one viewer's session. folder: where journals are kept."""

    def __init__(self, view: ViewerSession, folder: Path) -> None:
        self._view = view
        self.journal = Journal(folder)
        self._identities: dict[str, ImageIdentity] = {}
        view.session.written.connect(self._on_written)
        view.image_choice.changed.connect(self._note_image)
        self._note_image()

    def identity(self, image: Image) -> ImageIdentity:
        """How the journal knows an image: by its file, else by its name."""
        path = image.source.path
        return ImageIdentity(str(path) if path else str(image.name), spatial_shape(image))

    def earlier_work(self, identity: ImageIdentity) -> Restored | None:
        """Objects of that image from a session that ended (any thread may ask)."""
        return restorable(self.journal.path.parent, identity, but=self.journal.path)

    def restore(self, found: Restored) -> None:
        """Bring objects of an earlier session back, in a new labels layer."""
        view, image = self._view, self._view.image
        if image is None or spatial_shape(image) != found.identity.shape:
            view.session.message.emit(
                "error", "Choose the image that these objects belong to first."
            )
            return
        wide = max((o.label for o in found.objects), default=0) > np.iinfo(np.uint16).max
        labels = empty_labels(found.identity.shape, np.dtype(np.uint32 if wide else np.uint16))
        found.write_into(labels)
        layer = view.label_layers.add(image, labels)
        store = view.label_layers.store_of(layer)
        name = view.names.of(image)
        for edit in found.edits:
            self._on_written(ObjectEdit(store, (edit,)))
        for kept in found.objects:
            again = replace(kept, store=store.key, image=name)
            self._on_written(view.session.registry.apply(ObjectEdit(store, added=(again,))))
        count = len(found.objects)
        view.session.message.emit("info", f"{count} objects are back in “{layer.name}”.")

    def _note_image(self) -> None:
        """An object may be written after its image has gone, and goes into the journal with it."""
        image = self._view.image
        if image is not None:
            self._identities[self._view.names.of(image)] = self.identity(image)

    def _on_written(self, edit: ObjectEdit) -> None:
        self._note_image()
        current = self._view.image_choice.name or ""
        name = next((kept.image for kept in (*edit.added, *edit.removed)), current)
        identity = self._identities.get(name)
        if identity is None:
            return
        self.journal.append(edit, identity)
        if self.journal.failed:
            self._view.session.message.emit("error", self.journal.failed)
