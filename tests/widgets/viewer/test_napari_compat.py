"""What napari does not promise is so on the napari that is installed, the oldest one included."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_pisam.widgets.viewer import napari_compat


def test_a_proxy_of_a_layer_is_unwrapped_to_the_layer_itself() -> None:
    from napari.utils._proxies import PublicOnlyProxy

    layer = Labels(np.zeros((4, 5), np.uint8))
    assert napari_compat.unwrapped(PublicOnlyProxy(layer)) is layer
    assert napari_compat.unwrapped(layer) is layer
    assert napari_compat.unwrapped(None) is None


def test_the_camera_is_the_one_that_moves_the_view() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 50)))
    camera = napari_compat.camera_of(viewer)
    camera.zoom, camera.mouse_pan = 3.0, False
    viewer.reset_view()
    assert camera.zoom != 3.0
    assert np.allclose(camera.center[-2:], (19.5, 24.5))


def test_the_ring_of_the_cursor_is_drawn_without_its_middle(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=False)
    napari_compat.hide_middle_of_ring(viewer)
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", {})
    rings = [found for name, found in overlays.items() if napari_compat.RING_OVERLAY in name]
    assert all(not ring.box for ring in rings)
    assert len(rings) == hasattr(viewer, "canvas")


def test_the_zoom_on_a_double_click_is_found() -> None:
    viewer = ViewerModel()
    (zoom,) = napari_compat.zooms_on_double_click(viewer)
    assert zoom in viewer.mouse_double_click_callbacks
    viewer.mouse_double_click_callbacks.remove(zoom)
    assert napari_compat.zooms_on_double_click(viewer) == []


def test_the_key_of_a_brush_is_found_in_its_layers_class() -> None:
    layer = Labels(np.zeros((4, 5), np.uint8))
    undo = napari_compat.class_key_binding(layer, "Control-Z")
    assert undo is not None
    layer.data_setitem((np.array([1]), np.array([2])), 3)
    undo(layer)
    assert not layer.data.any()
    assert napari_compat.class_key_binding(layer, "F11") is None


def test_levels_that_were_written_in_place_are_shown() -> None:
    levels = [np.zeros((64, 80), np.uint8), np.zeros((32, 40), np.uint8)]
    viewer = ViewerModel()
    layer = viewer.add_labels(levels, multiscale=True)
    for level in levels:
        level[:] = 7
    napari_compat.show_written_levels(layer, levels)
    assert (np.asarray(layer._slice.image.raw) == 7).all()


def painted(layer: Labels, change: Any) -> list[Any]:
    """The entries of the layer's history that a change adds."""
    entries: list[Any] = []
    layer.events.paint.connect(lambda event: entries.append(tuple(event.value)))
    change(layer)
    return entries


def test_what_a_brush_a_bucket_and_a_script_wrote_is_read_from_the_history() -> None:
    def brush(layer: Labels) -> None:
        layer.brush_size = 5
        with layer.block_history():
            layer.paint((10, 12), 4)
            layer.paint((10, 15), 4)

    changes: tuple[Any, ...] = (
        brush,
        lambda layer: layer.fill((3, 3), 4),
        lambda layer: layer.data_setitem((np.array([5, 9]), np.array([7, 2])), 4),
    )
    for change in changes:
        layer = Labels(np.zeros((30, 40), np.uint8))
        (atoms,) = painted(layer, change)
        block = napari_compat.painted_block(atoms)
        assert block is not None
        seen = np.zeros(layer.data.shape, np.bool_)
        seen[tuple(slice(s, s + n) for s, n in zip(block.start, block.mask.shape, strict=True))] = (
            block.mask
        )
        assert not (layer.data.astype(bool) & ~seen).any()
        assert block.labels == {4}
        assert napari_compat.highest_painted(atoms) == 4


def test_an_entry_of_the_history_that_wrote_nothing_is_no_block() -> None:
    assert napari_compat.painted_block([]) is None
    assert napari_compat.highest_painted([]) == 0
