"""Labels that are painted with napari's own tools: the list of objects and the journal follow.

A stroke is read once it has ended. An undo of napari's says no place, so that all objects of the
layer are compared, one at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from napari_pisam.session.brush import Stroke, refresh_edit, stroke_edit, strokes_in
from napari_pisam.session.label_store import LabelStore, LabelStoreError
from napari_pisam.session.objects import KeptObject, ObjectEdit
from napari_pisam.widgets.viewer.event_connections import connect
from napari_pisam.widgets.viewer.layer_store import LayerLabelStore
from napari_pisam.widgets.viewer.napari_compat import painted_block

if TYPE_CHECKING:
    from napari_pisam.session.session import Session
    from napari_pisam.widgets.viewer.label_layers import LabelLayers
    from napari_pisam.widgets.viewer.scheduling import Scheduler


HAND_EDITS = "hand edits"


class HandEdits:
    """Has a session follow what others write into its labels.

    viewer: the one whose sliders may be the reason that a layer is drawn anew.
    """

    def __init__(
        self, viewer: Any, session: Session, label_layers: LabelLayers, *, scheduler: Scheduler
    ) -> None:
        self._viewer, self._session, self._scheduler = viewer, session, scheduler
        # What waits: entries of napari's history, their strokes, layers that were drawn anew, and
        # their objects.
        self._painted: list[tuple[LayerLabelStore, Sequence[Any]]] = []
        self._strokes: deque[tuple[LayerLabelStore, Stroke]] = deque()
        self._redrawn: list[LayerLabelStore] = []
        self._objects: deque[tuple[LayerLabelStore, KeptObject]] = deque()
        # Painted before the first object: a journal begins with an object.
        self._early: dict[str, list[Stroke]] = {}
        self._planes: dict[str, tuple[Any, ...]] = {}
        for store in label_layers.stores:
            self._follow(store)
        label_layers.followed.connect(self._follow)
        dims = viewer.dims.events
        # After napari's own, which draw the layers anew.
        self._disconnect = connect(
            (dims.point, self._on_dims), (dims.order, self._on_dims), (dims.ndisplay, self._on_dims)
        )
        session.written.connect(self._on_written)

    def _follow(self, store: LabelStore) -> None:
        if not isinstance(store, LayerLabelStore):
            # A pyramid, which napari's tools cannot write.
            return
        self._planes[store.key] = self._shown()
        store.painted.connect(lambda atoms: self._on_painted(store, atoms))
        store.redrawn.connect(lambda: self._on_redrawn(store))

    def close(self) -> None:
        """Listen to the viewer no longer."""
        self._disconnect()

    def _on_dims(self, event: Any = None) -> None:
        """Layers that a slider does not move are not drawn anew by it."""
        self._planes = dict.fromkeys(self._planes, self._shown())

    def _shown(self) -> tuple[Any, ...]:
        dims = self._viewer.dims
        return (tuple(dims.point), tuple(dims.order), dims.ndisplay)

    def _on_painted(self, store: LayerLabelStore, atoms: Sequence[Any]) -> None:
        if not any(atoms is waiting for _, waiting in self._painted):
            self._painted.append((store, atoms))
            self._soon()

    def _on_redrawn(self, store: LayerLabelStore) -> None:
        """An undo of napari's draws the plane anew; so does a slider, which changes no label."""
        before, self._planes[store.key] = self._planes[store.key], self._shown()
        if before == self._planes[store.key] and store not in self._redrawn:
            self._redrawn.append(store)
            self._soon()

    def _soon(self) -> None:
        self._scheduler.request(HAND_EDITS, self._work)

    def _work(self) -> Generator[None, None, None]:
        """All that waits, one stroke or object a turn."""
        while self._painted or self._strokes or self._redrawn or self._objects:
            self._step()
            yield

    def _step(self) -> None:
        registry = self._session.registry
        if self._painted:
            store, atoms = self._painted.pop(0)
            self._strokes.extend((store, stroke) for stroke in strokes_of(atoms))
        elif self._strokes:
            self._apply_stroke(*self._strokes.popleft())
        elif self._redrawn:
            store = self._redrawn.pop(0)
            self._objects.extend((store, listed) for listed in registry.of(store.key))
        else:
            store, listed = self._objects.popleft()
            found = registry.find(store.key, listed.label, listed.index)
            if found is not None:
                self._apply(refresh_edit, store, found)

    def _apply_stroke(self, store: LayerLabelStore, stroke: Stroke) -> None:
        if self._session.registry.of(store.key):
            self._apply(stroke_edit, store, stroke)
        else:
            self._early.setdefault(store.key, []).append(stroke)

    def _apply(
        self, find: Callable[..., ObjectEdit | None], store: LayerLabelStore, what: Any
    ) -> None:
        try:
            edit = find(self._session.registry, store, what)
        except LabelStoreError:
            # The layer's array is another by now: whoever keeps an object there hears of it.
            return
        if edit is not None:
            self._session.repainted(edit)

    def _on_written(self, edit: ObjectEdit) -> None:
        store = edit.store
        if isinstance(store, LayerLabelStore):
            for stroke in self._early.pop(store.key, ()):
                self._apply_stroke(store, stroke)


def strokes_of(atoms: Sequence[Any]) -> list[Stroke]:
    """What one entry of a labels layer's history has written, plane by plane."""
    block = painted_block(atoms)
    return strokes_in(block.mask, block.start, block.labels) if block is not None else []
