from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_pisam.geometry import Window
from napari_pisam.session.label_edit import (
    Overlap,
    edit_between,
    labels_after,
)

masks = arrays.arrays(np.bool_, (9, 13))
labels = arrays.arrays(np.uint16, (9, 13), elements=st.integers(0, 4))


@settings(deadline=None)
@given(labels, labels)
def test_an_edit_applies_and_is_taken_back(old: np.ndarray, new: np.ndarray) -> None:
    edit = edit_between((3, None, None), Window(10, 20, 9, 13), old, after=new)
    if (old == new).all():
        assert edit.box is None
        return
    window = edit.box
    assert window is not None
    part = np.s_[
        window.y - 10 : window.y - 10 + window.height, window.x - 20 : window.x - 20 + window.width
    ]
    assert np.array_equal(edit.applied_to(old[part]), new[part])
    assert np.array_equal(edit.inverse.applied_to(new[part]), old[part])


def test_an_undone_edit_leaves_what_somebody_painted_since() -> None:
    old, new = np.zeros((2, 3), int), np.full((2, 3), 7)
    edit = edit_between((None, None), Window(0, 0, 2, 3), old, after=new)
    painted = new.copy()
    painted[0, 1] = 9
    assert edit.inverse.applied_to(painted).tolist() == [[0, 9, 0], [0, 0, 0]]


@settings(deadline=None)
@given(labels, masks, st.integers(1, 6), st.sampled_from(Overlap))
def test_policies(region: np.ndarray, mask: np.ndarray, label: int, policy: Overlap) -> None:
    after = labels_after(region, mask, label, policy=policy)
    others = (region != 0) & (region != label)
    if policy is Overlap.CUT_OUT:
        assert not after[mask].any()
        assert np.array_equal(after[~mask], region[~mask])
        return
    own = mask if policy is Overlap.OVERWRITE else mask & ~others
    assert np.array_equal(after == label, own)
    assert np.array_equal(after[others & ~own], region[others & ~own])
