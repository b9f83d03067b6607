"""Edits of labels and objects, on one plane or on several: all or none, and back again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Prompt
from napari_pisam.session.commit import object_edit, removal_edit
from napari_pisam.session.label_edit import Overlap, edit_between
from napari_pisam.session.label_store import ArrayLabelStore, LabelStoreError
from napari_pisam.session.objects import KeptObject, ObjectEdit, ObjectRegistry
from tests.session.label_stores import RefusingStore

PLANES, HEIGHT, WIDTH = 4, 12, 15


def kept(label: int, plane: int, mask: NDArray[np.bool_], *, y: int = 0, x: int = 0) -> KeptObject:
    packed = PackedMask.of(PlacedMask(y, x, mask))
    return KeptObject(label, "array", "a", (plane, None, None), packed, Prompt())


def block(label: int, plane: int, rows: slice, cols: slice) -> KeptObject:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[rows, cols] = True
    return kept(label, plane, mask)


def known(objects: tuple[KeptObject, ...]) -> list[tuple[Any, ...]]:
    """What a list holds, whatever its order."""
    return sorted((o.label, o.index[0] or 0, o.mask) for o in objects)


def assert_list_is_what_labels_hold(registry: ObjectRegistry, store: ArrayLabelStore) -> None:
    for found in registry.of(store.key):
        plane = store.labels[found.index[0] or 0]
        assert np.array_equal(found.mask.placed().in_image(HEIGHT, WIDTH), plane == found.label)


spans = st.tuples(st.integers(0, 8), st.integers(1, 6)).map(lambda s: slice(s[0], s[0] + s[1]))
tracks = st.dictionaries(
    st.integers(0, PLANES - 1), st.tuples(spans, spans), min_size=1, max_size=PLANES
)


@settings(deadline=None)
@given(
    several=st.lists(st.tuples(tracks, st.sampled_from(Overlap)), min_size=1, max_size=5),
    count=st.integers(1, 5),
)
def test_edits_over_several_planes_are_taken_back_and_done_again_one_at_a_time(
    several: list[tuple[dict[int, tuple[slice, slice]], Overlap]], count: int
) -> None:
    store = ArrayLabelStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    registry = ObjectRegistry()
    states, edits = [(store.labels.copy(), known(registry.of("array")))], list[ObjectEdit]()
    for label, (track, policy) in enumerate(several, start=1):
        objects = [block(label, plane, *place) for plane, place in track.items()]
        try:
            edit = object_edit(registry, store, objects, policy=policy)
        except LabelStoreError:
            assert policy is Overlap.PROTECT
            continue
        assert {e.plane for e in edit.edits} == {o.index for o in objects}
        registry.apply(edit)
        edits.append(edit)
        assert_list_is_what_labels_hold(registry, store)
        states.append((store.labels.copy(), known(registry.of("array"))))
    restored = []
    for number in range(len(edits), max(len(edits) - count, 0), -1):
        restored.append(registry.apply(edits[number - 1].inverse))
        labels, objects_then = states[number - 1]
        assert np.array_equal(store.labels, labels)
        assert known(registry.of("array")) == objects_then
    for change in reversed(restored):
        registry.apply(change.inverse)
    assert np.array_equal(store.labels, states[-1][0])
    assert known(registry.of("array")) == states[-1][1]


@settings(deadline=None)
@given(track=tracks, refused=st.integers(0, PLANES - 1), policy=st.sampled_from(Overlap))
def test_labels_that_refuse_one_plane_of_an_edit_are_left_as_they_were_on_all(
    track: dict[int, tuple[slice, slice]], refused: int, policy: Overlap
) -> None:
    store = RefusingStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    registry = ObjectRegistry()
    first = [block(1, plane, slice(0, 3), slice(0, 4)) for plane in range(PLANES)]
    registry.apply(object_edit(registry, store, first, policy=policy))
    objects = [block(2, plane, *place) for plane, place in track.items()]
    edit = object_edit(registry, store, objects, policy=Overlap.OVERWRITE)
    labels, listed = store.labels.copy(), registry.of("array")
    store.refused = (refused, None, None)
    if refused in track:
        with pytest.raises(LabelStoreError, match="refuses"):
            registry.apply(edit)
        assert np.array_equal(store.labels, labels)
        assert registry.of("array") == listed
        store.refused = None
    registry.apply(edit)
    after, listed_after = store.labels.copy(), known(registry.of("array"))
    assert_list_is_what_labels_hold(registry, store)
    store.refused = (refused, None, None)
    if refused in track:
        with pytest.raises(LabelStoreError, match="refuses"):
            registry.apply(edit.inverse)
        assert np.array_equal(store.labels, after)
        assert known(registry.of("array")) == listed_after


def test_labels_that_cannot_be_read_after_writing_are_put_back() -> None:
    store = RefusingStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    registry = ObjectRegistry()
    objects = [block(1, plane, slice(2, 5), slice(2, 5)) for plane in (0, 1)]
    edit = object_edit(registry, store, objects, policy=Overlap.PROTECT)
    store.reads_left = 2  # one for each plane before it is written
    with pytest.raises(LabelStoreError, match="read"):
        registry.apply(edit)
    assert not store.labels.any()
    assert not registry.of("array")


def test_taking_an_edit_back_leaves_on_each_plane_what_was_painted_since() -> None:
    store = ArrayLabelStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    registry = ObjectRegistry()
    objects = [block(1, plane, slice(2, 5), slice(2, 5)) for plane in (0, 2)]
    edit = object_edit(registry, store, objects, policy=Overlap.PROTECT)
    registry.apply(edit)
    store.labels[2, 3, 3] = 9
    restored = registry.apply(edit.inverse)
    assert np.argwhere(store.labels).tolist() == [[2, 3, 3]]
    registry.apply(restored.inverse)
    assert [o.area for o in registry.of("array")] == [9, 8]
    assert store.labels[2, 3, 3] == 9


def test_two_edits_of_one_plane_are_no_edit() -> None:
    store = ArrayLabelStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    before = np.zeros((2, 2), np.uint16)
    edit = edit_between((0, None, None), Window(0, 0, 2, 2), before, after=before + 1)
    with pytest.raises(ValueError, match="at most one"):
        ObjectEdit(store, (edit, edit))


def test_an_object_that_was_painted_over_leaves_the_list_and_comes_back() -> None:
    store = ArrayLabelStore(np.zeros((PLANES, HEIGHT, WIDTH), np.uint16))
    registry = ObjectRegistry()
    first = block(1, 1, slice(2, 5), slice(2, 5))
    registry.apply(object_edit(registry, store, (first,), policy=Overlap.PROTECT))
    store.labels[:] = 0
    found = registry.refresh(store, first.key, Window(0, 0, HEIGHT, WIDTH))
    assert found is not None
    assert found.area == 0
    edit = removal_edit(store, found)
    assert edit.edits == ()
    registry.apply(edit)
    assert registry.of("array") == ()
    registry.apply(edit.inverse)
    assert [o.label for o in registry.of("array")] == [1]
