from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_pisam.geometry import Window
from napari_pisam.predict.relief import EDGE, REACH, STEP, doubt_of, doubtful_places, relief_of

masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@settings(deadline=None)
@given(masks)
def test_relief_is_the_clipped_signed_distance(mask: np.ndarray) -> None:
    relief = relief_of(mask).astype(float)
    if mask.any() and not mask.all():
        inside = np.minimum(ndimage.distance_transform_edt(mask), REACH)
        outside = np.minimum(ndimage.distance_transform_edt(~mask), REACH)
        exact = EDGE + STEP * np.where(mask, inside - 0.5, 0.5 - outside)
        assert np.abs(relief - np.clip(exact, 0, 255)).max() <= 0.51
    assert np.array_equal(relief > EDGE, mask)


def test_doubt_is_large_where_the_logit_is_small() -> None:
    doubt = doubt_of(np.array([[0.0, 1.0, -1.0, 20.0, -np.inf]], np.float32))
    assert doubt[0, 0] == 255
    assert doubt[0, 1] == doubt[0, 2] < 255
    assert doubt[0, 3] == doubt[0, 4] == 0


def test_the_most_doubtful_place_is_a_broad_spot_not_a_sharp_edge() -> None:
    logits = np.full((128, 128), 20, np.float32)
    logits[:, 64:] = -20
    logits[:, 64] = 0
    logits[20:40, 90:110] = 0.1
    first, *others = doubtful_places(doubt_of(logits), Window(1000, 2000, 256, 256))
    assert 1000 + 2 * 20 <= first.y <= 1000 + 2 * 40
    assert 2000 + 2 * 90 <= first.x <= 2000 + 2 * 110
    assert others
