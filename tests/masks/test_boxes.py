"""The smallest rectangle round masks and windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.geometry import Window
from napari_pisam.masks.boxes import bounding_window, union
from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask

windows = st.builds(
    Window, st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 20), st.integers(1, 20)
)


@given(st.lists(st.none() | windows, max_size=4))
def test_a_union_holds_every_window_and_touches_one_on_each_side(
    given_windows: list[Window | None],
) -> None:
    found, there = union(*given_windows), [w for w in given_windows if w is not None]
    if found is None:
        assert not there
        return
    assert all(w.intersection(found) == w for w in there)
    assert found.y == min(w.y for w in there)
    assert found.x == min(w.x for w in there)
    assert found.y + found.height == max(w.y + w.height for w in there)
    assert found.x + found.width == max(w.x + w.width for w in there)


def test_bounding_window_of_nothing_is_none() -> None:
    empty = PlacedMask(3, 4, np.zeros((2, 2), np.bool_))
    assert bounding_window(empty) is None
    full = PlacedMask(3, 4, np.ones((2, 2), np.bool_))
    assert bounding_window(empty, full) == Window(3, 4, 2, 2)
    assert bounding_window(PackedMask.of(full), empty) == Window(3, 4, 2, 2)
    far = PlacedMask(-2, 9, np.eye(4, dtype=np.bool_))
    assert bounding_window(full, far) == Window(-2, 4, 7, 9)
