"""The labels layers: the one that objects are kept in is chosen or made, and never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_pisam.images.label_arrays import LayeredLabels, is_large
from napari_pisam.session.label_store import LabelStoreError
from napari_pisam.session.plane import ImagePlane
from napari_pisam.widgets.viewer.identity import LayerNames, is_in
from napari_pisam.widgets.viewer.image_choice import ImageChoice
from napari_pisam.widgets.viewer.image_plane import spatial_shape
from napari_pisam.widgets.viewer.layer_selection import keeping_selection
from napari_pisam.widgets.viewer.layer_store import NEW_LABELS_DTYPE, LayerLabelStore, refusal
from napari_pisam.widgets.viewer.layer_transform import apply_frame, same_frame
from napari_pisam.widgets.viewer.napari_compat import unwrapped
from napari_pisam.widgets.viewer.pyramid_store import PyramidLabelStore, layered_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels

Store = LayerLabelStore | PyramidLabelStore


class LabelLayers:
    """Which labels layer is written, and those that were.

    layer: the chosen one. orphans: layers that were deleted while they hold kept objects, which
    can be put back. Signals:
    changed(), another layer is chosen or one was deleted; followed(store), a layer is read
    or written for the first time.
    """

    changed = Signal()
    followed = Signal(object)

    def __init__(self, viewer: Any, names: LayerNames, image_choice: ImageChoice) -> None:
        self._viewer = viewer
        self._names, self._choice = names, image_choice
        self._stores: dict[str, Store] = {}
        self._written: set[str] = set()
        self._made: set[str] = set()
        self.layer: Labels | None = None
        self.orphans: list[Labels] = []

    def close(self) -> None:
        """Listen to no layer any more."""
        for store in self._stores.values():
            store.close()

    def layers(self) -> list[Labels]:
        """The labels layers of the viewer, the topmost first."""
        from napari.layers import Labels as LabelsLayer

        return [layer for layer in reversed(self._viewer.layers) if isinstance(layer, LabelsLayer)]

    @property
    def key(self) -> str | None:
        """The chosen layer's store key; None while there is none."""
        return self._names.of(self.layer) if self.layer is not None else None

    def store_of(self, layer: Labels) -> Store:
        """The store of a labels layer."""
        key = self._names.of(layer)
        if key not in self._stores:
            large = layered_of(layer)
            self._stores[key] = (
                PyramidLabelStore(layer, large, key) if large else LayerLabelStore(layer, key)
            )
            self.followed.emit(self._stores[key])
        return self._stores[key]

    @property
    def stores(self) -> tuple[Store, ...]:
        """The stores of all labels layers that are followed."""
        return tuple(self._stores.values())

    def find(self, key: str) -> Store | None:
        """The store of that key, in the viewer or not."""
        return self._stores.get(key)

    def choose(self, layer: Labels | None) -> None:
        """Keep objects in that layer from now on; None makes a new one when it is needed."""
        layer = unwrapped(layer)
        if layer is self.layer and layer is not None:
            return
        before, self.layer = self.layer, layer
        if layer is not None:
            self.store_of(layer)
        self._drop_unused(before)
        self.changed.emit()

    def fit(self, image: Image) -> None:
        """A layer made for another image is not kept for this one."""
        if self.layer is not None and misfit(self.layer, image, spatial_shape(image)):
            self.choose(None)

    def prepare(self, image: Image) -> None:
        """Make the new layer now, so that the first object need not wait for it."""
        if self.layer is None:
            self.choose(self._new(image))

    def current(self, plane: ImagePlane) -> Store:
        """The store that objects of the chosen image are kept in; see LabelStores."""
        image = self._choice.layer
        if image is None:
            raise LabelStoreError("The image is gone: open it again to keep its objects.")
        self.notice_removed()
        if self.layer is None:
            self.choose(self._new(image))
        layer = self.layer
        if layer is None:
            raise LabelStoreError("There is no labels layer: choose one.")
        reason = misfit(layer, image, spatial_shape(image))
        if reason is not None:
            raise LabelStoreError(reason)
        self._written.add(self._names.of(layer))
        return self.store_of(layer)

    def notice_removed(self) -> None:
        """Layers that were written, the chosen one among them, may have been deleted or be back."""
        layers = list(self._viewer.layers)
        written = [c.layer for k, c in self._stores.items() if k in self._written]
        orphans = [layer for layer in written if not is_in(layer, layers)]
        gone = self.layer is not None and not is_in(self.layer, layers)
        if gone:
            self.layer = None
        if gone or len(orphans) != len(self.orphans):
            self.orphans = orphans
            self.changed.emit()

    def put_back(self) -> None:
        """Bring the deleted layers back, with everything that was kept in them."""
        orphans, self.orphans = self.orphans, []
        for layer in orphans:
            if not is_in(layer, self._viewer.layers):
                with keeping_selection(self._viewer):
                    self._viewer.layers.append(layer)
            self.choose(layer)

    def follow(self, image: Image) -> None:
        """A layer that was made for the image moves with it."""
        layer = self.layer
        if layer is not None and self._names.of(layer) in self._made and layer.ndim == image.ndim:
            apply_frame(layer, same_frame(image))

    def add(self, image: Image, labels: np.ndarray[Any, Any] | LayeredLabels) -> Labels:
        """A new layer with those labels, chosen."""
        layer = self._new(image, labels)
        self.choose(layer)
        self._written.add(self._names.of(layer))
        return layer

    def _new(
        self, image: Image, labels: np.ndarray[Any, Any] | LayeredLabels | None = None
    ) -> Labels:
        from napari.layers import Labels as LabelsLayer

        if labels is None:
            labels = empty_labels(spatial_shape(image), NEW_LABELS_DTYPE)
        data = labels.levels if isinstance(labels, LayeredLabels) else labels
        large = isinstance(labels, LayeredLabels)
        layer: Labels = LabelsLayer(
            data, name=f"{image.name} objects", multiscale=large, **same_frame(image)
        )
        self._made.add(self._names.of(layer))
        with keeping_selection(self._viewer):
            self._viewer.layers.insert(self._place_above(image), layer)
        return layer

    def _place_above(self, image: Image) -> int:
        """Where the layer goes: just above the image, below our own."""
        layers = list(self._viewer.layers)
        return next((i + 1 for i, found in enumerate(layers) if found is image), len(layers))

    def _drop_unused(self, layer: Labels | None) -> None:
        """Remove a layer that was made and never written, once another is chosen."""
        if layer is None or not is_in(layer, self._viewer.layers):
            return
        key = self._names.of(layer)
        if key in self._made and key not in self._written and self.store_of(layer).empty:
            self._made.discard(key)
            self._stores.pop(key).close()
            self._viewer.layers.remove(layer)


def empty_labels(
    shape: tuple[int, ...], dtype: np.dtype[Any]
) -> np.ndarray[Any, Any] | LayeredLabels:
    """Zeros: an array, which brushes can edit, or a pyramid where that is too large to be shown."""
    return LayeredLabels(shape, dtype) if is_large(shape) else np.zeros(shape, dtype)


def misfit(layer: Labels, image: Image, shape: tuple[int, ...]) -> str | None:
    """Why a labels layer cannot hold objects of an image; None when it can."""
    if layer.multiscale and layered_of(layer) is None:
        return refusal(layer, TypeError())
    finest = layer.data[0] if layer.multiscale else layer.data
    found = tuple(int(n) for n in finest.shape)
    if found != shape:
        return (
            f"The labels layer “{layer.name}” has the shape {found}, the image “{image.name}” "
            f"has {shape}: choose another layer, or a new one."
        )
    return None
