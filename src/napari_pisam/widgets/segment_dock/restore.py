"""Objects of an earlier session of the same image: found in a thread, offered, brought back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from napari_pisam.session.journal import ImageIdentity, Restored
    from napari_pisam.session.objects import KeptObject


class Journals(Protocol):
    """Who reads journals and brings their objects back: see `viewer.workspace.Workspace`."""

    @property
    def objects(self) -> tuple[KeptObject, ...]:
        """The objects kept in the chosen labels."""
        ...

    def earlier_work(self, identity: ImageIdentity) -> Restored | None:
        """What an earlier session kept of an image; any thread may ask."""
        ...

    def restore(self, found: Restored) -> None:
        """Bring those objects back, in a new labels layer."""
        ...


class EarlierObjects(QObject):
    """The offer to bring objects of an earlier session back.

    offer: what was found, None while there is nothing to bring back. Signal: changed(), on the
    main thread.
    """

    changed = Signal()
    _found = Signal(object)

    def __init__(self, journals: Journals) -> None:
        super().__init__()
        self._journals = journals
        self._identity: ImageIdentity | None = None
        self.offer: Restored | None = None
        self._found.connect(self._on_found)

    def look_for(self, identity: ImageIdentity | None) -> None:
        """Look for objects of that image, None for no image; what was offered no longer is."""
        self._identity = identity
        self.withdraw()
        if identity is not None:
            threading.Thread(target=self._read, args=(identity,), daemon=True).start()

    def withdraw(self) -> None:
        """Offer nothing."""
        self.offer = None
        self.changed.emit()

    def accept(self) -> None:
        """Bring back what is offered."""
        offered = self.offer
        self.withdraw()
        if offered is not None:
            self._journals.restore(offered)

    def _read(self, identity: ImageIdentity) -> None:
        found = self._journals.earlier_work(identity)
        if found is None:
            return
        try:
            self._found.emit(found)
        except RuntimeError:
            # The window was closed in the meantime.
            return

    def _on_found(self, found: Restored) -> None:
        # By now another image may be chosen, or the work on this one begun.
        if found.identity == self._identity and not self._journals.objects:
            self.offer = found
            self.changed.emit()


def date_of(found: Restored) -> str:
    """When the earlier session was last written, as in "28 Nov, 19:37"."""
    return time.strftime("%d %b, %H:%M", time.localtime(found.written))
