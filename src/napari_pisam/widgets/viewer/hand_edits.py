"""Labels that are painted with napari's own tools: the list of objects and the journal follow.

A stroke is looked at once it has ended. An undo of napari's tells no place, so that all objects
of the layer are looked at, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari_pisam.session.brush import Stroke, refresh_edit, stroke_edit, strokes_in
from napari_pisam.session.label_store import LabelStore, LabelStoreError
from napari_pisam.session.objects import ObjectEdit
from napari_pisam.widgets.viewer.layer_store import LayerLabelStore, connect
from napari_pisam.widgets.viewer.napari_compat import painted_block

if TYPE_CHECKING:
    from napari_pisam.session.session import Session
    from napari_pisam.widgets.viewer.label_layers import LabelLayers


class HandEdits:
    """Tells a session what others write into its labels.

    viewer: the one whose sliders may be the reason that a layer is drawn anew. when_free: see
    LayerBridge.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        targets: LabelLayers,
        *,
        when_free: Callable[[Iterator[None]], None],
    ) -> None:
        self._viewer, self._session = viewer, session
        self._when_free = when_free
        self._painted: list[tuple[LayerLabelStore, Sequence[Any]]] = []
        self._stale: list[LayerLabelStore] = []
        # Painted before the first object: a journal begins with an object.
        self._early: dict[str, list[Stroke]] = {}
        self._planes: dict[str, tuple[Any, ...]] = {}
        self._working = False
        for store in targets.stores:
            self._follow(store)
        targets.followed.connect(self._follow)
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
        if before == self._planes[store.key] and store not in self._stale:
            self._stale.append(store)
            self._soon()

    def _soon(self) -> None:
        if not self._working:
            self._working = True
            self._when_free(self._work())

    def _work(self) -> Iterator[None]:
        yield
        registry = self._session.registry
        while self._painted or self._stale:
            if self._painted:
                store, atoms = self._painted.pop(0)
                for stroke in strokes_of(atoms):
                    self._tell_stroke(store, stroke)
                    yield
                continue
            store = self._stale.pop(0)
            for listed in registry.of(store.key):
                found = registry.find(store.key, listed.label, listed.index)
                if found is not None:
                    self._tell(refresh_edit, store, found)
                    yield
        self._working = False

    def _tell_stroke(self, store: LayerLabelStore, stroke: Stroke) -> None:
        if self._session.registry.of(store.key):
            self._tell(stroke_edit, store, stroke)
        else:
            self._early.setdefault(store.key, []).append(stroke)

    def _tell(
        self, look: Callable[..., ObjectEdit | None], store: LayerLabelStore, what: Any
    ) -> None:
        try:
            edit = look(self._session.registry, store, what)
        except LabelStoreError:
            # The layer's array is another by now: whoever keeps an object there is told.
            return
        if edit is not None:
            self._session.repainted(edit)

    def _on_written(self, edit: ObjectEdit) -> None:
        store = edit.store
        if isinstance(store, LayerLabelStore):
            for stroke in self._early.pop(store.key, ()):
                self._tell_stroke(store, stroke)


def strokes_of(atoms: Sequence[Any]) -> list[Stroke]:
    """What one entry of a labels layer's history has written, plane by plane."""
    block = painted_block(atoms)
    return strokes_in(block.mask, block.start, block.labels) if block is not None else []
