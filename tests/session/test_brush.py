"""Where a stroke has painted, and which planes that concerns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_pisam.geometry import Window
from napari_pisam.session.brush import spans_of, strokes_in, window_on_plane

windows = st.builds(
    Window, st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9)
)


@given(window=windows, plane=st.integers(0, 5), other=st.integers(0, 5), axis=st.integers(0, 2))
def test_a_stroke_on_a_plane_lies_on_that_plane_in_its_place_and_on_no_other(
    window: Window, plane: int, other: int, axis: int
) -> None:
    def index(position: int) -> tuple[int | None, ...]:
        return tuple(position if a == axis else None for a in range(3))

    spans = spans_of(index(plane), window)
    assert window_on_plane(spans, index(other)) == (window if other == plane else None)


@given(
    painted=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(0, 8)), min_size=1, max_size=20
    ),
    start=st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)),
)
def test_the_strokes_of_a_block_are_its_pixels_plane_by_plane(
    painted: list[tuple[int, int, int]], start: tuple[int, int, int]
) -> None:
    touched = np.zeros((3, 8, 9), np.bool_)
    touched[tuple(np.array(painted).T)] = True
    found = set()
    for stroke in strokes_in(touched, start, frozenset({1})):
        plane, *rest = stroke.index
        assert rest == [None, None]
        placed = stroke.touched.placed()
        for y, x in np.argwhere(placed.mask):
            found.add((plane, placed.y + int(y), placed.x + int(x)))
    wanted = {tuple(int(p + s) for p, s in zip(place, start, strict=True)) for place in painted}
    assert found == wanted
