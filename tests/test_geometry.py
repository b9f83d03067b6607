"""Where a pixel, a click and a box lie in a window and in the eye of the model; tiles."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from napari_pisam.geometry import (
    Window,
    box_xyxy_input,
    points_xy_input,
    points_xy_unit,
    square_window,
    tile_grid,
)
from napari_pisam.prompts import Box, Click

windows = st.builds(
    Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 90), st.integers(1, 90)
)
shares = st.floats(-0.5, 1.5)


@example(window=Window(2, 3, 4, 5), y=6, x=3, off=(0.0, 0.0))
@example(window=Window(2, 3, 4, 5), y=2, x=8, off=(0.0, 0.0))
@example(window=Window(2, 3, 4, 5), y=2, x=3, off=(0.0, 0.0))
@given(
    window=windows,
    y=st.integers(-60, 150),
    x=st.integers(-60, 150),
    off=st.tuples(st.floats(-0.49, 0.49), st.floats(-0.49, 0.49)),
)
def test_a_window_contains_the_clicks_nearest_to_its_pixels_and_no_others(
    window: Window, y: int, x: int, off: tuple[float, float]
) -> None:
    rows = range(window.y, window.y + window.height)
    columns = range(window.x, window.x + window.width)
    assert window.contains(Click(y + off[0], x + off[1])) == (y in rows and x in columns)


@given(window=windows, height=st.integers(1, 60), width=st.integers(1, 60))
def test_the_part_of_a_window_inside_an_image_is_what_both_have_in_common(
    window: Window, height: int, width: int
) -> None:
    def pixels(y: int, x: int, h: int, w: int) -> set[tuple[int, int]]:
        return {(row, column) for row in range(y, y + h) for column in range(x, x + w)}

    both = pixels(window.y, window.x, window.height, window.width) & pixels(0, 0, height, width)
    part = window.inside(height, width)
    assert both == (set() if part is None else pixels(part.y, part.x, part.height, part.width))


@given(window=windows, down=shares, across=shares)
def test_0_and_1_of_the_unit_frame_are_the_outer_edges_of_a_windows_pixels(
    window: Window, down: float, across: float
) -> None:
    y = window.y - 0.5 + down * window.height
    x = window.x - 0.5 + across * window.width
    np.testing.assert_allclose(points_xy_unit(window, [Click(y, x)]), [(across, down)], atol=1e-5)


@given(window=windows, down=shares, across=shares, size=st.sampled_from([16, 64, 512]))
def test_the_input_frame_counts_from_the_centre_of_its_first_pixel(
    window: Window, down: float, across: float, size: int
) -> None:
    click = Click(
        window.y - 0.5 + down * window.height, window.x - 0.5 + across * window.width, False
    )
    found = points_xy_input(window, [click], size)
    np.testing.assert_allclose(found, [(across * size - 0.5, down * size - 0.5)], atol=1e-3)
    # as large as the window itself, it is the image's own pixels, counted from the window's first
    own = Window(window.y, window.x, size, size)
    np.testing.assert_allclose(
        points_xy_input(own, [click], size), [(click.x - own.x, click.y - own.y)], atol=1e-3
    )


@given(window=windows, y=st.floats(-50, 50), x=st.floats(-50, 50), size=st.integers(1, 90))
def test_the_corners_of_a_box_lie_where_clicks_on_them_do(
    window: Window, y: float, x: float, size: int
) -> None:
    box = Box(y, x, y + size, x + 2 * size)
    corners = [Click(box.y_min, box.x_min), Click(box.y_max, box.x_max)]
    found = box_xyxy_input(window, box, 64)
    np.testing.assert_array_equal(found, points_xy_input(window, corners, 64).ravel())
    assert found[0] < found[2]
    assert found[1] < found[3]


def test_no_clicks_are_an_empty_table() -> None:
    assert points_xy_unit(Window(0, 0, 3, 3), []).shape == (0, 2)


@given(y=st.integers(-99, 99), x=st.integers(-99, 99), reach=st.integers(0, 40))
def test_a_square_of_an_odd_side_has_as_many_pixels_on_every_side_of_its_centre(
    y: int, x: int, reach: int
) -> None:
    side = 2 * reach + 1
    assert square_window(y, x, side) == Window(y - reach, x - reach, side, side)


@given(y=st.floats(-99, 99), x=st.floats(-99, 99), side=st.floats(0, 200))
def test_a_square_holds_its_centre_and_is_no_smaller_than_asked(
    y: float, x: float, side: float
) -> None:
    window = square_window(y, x, side)
    assert max(side, 1) <= window.height == window.width < side + 1 or window.height == 1
    middle = (window.y + (window.height - 1) / 2, window.x + (window.width - 1) / 2)
    assert abs(middle[0] - y) < 1 + 1e-9
    assert abs(middle[1] - x) < 1 + 1e-9


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    core=st.integers(1, 40),
    halo=st.integers(0, 30),
)
def test_cores_of_tiles_partition_an_image_and_their_windows_see_the_halo_round_them(
    height: int, width: int, core: int, halo: int
) -> None:
    seen = np.zeros((height, width), int)
    for tile in tile_grid(height, width, core=core, halo=halo):
        c = tile.core
        seen[c.y : c.y + c.height, c.x : c.x + c.width] += 1
        around = Window(c.y - halo, c.x - halo, c.height + 2 * halo, c.width + 2 * halo)
        assert tile.window == around.inside(height, width)
    assert (seen == 1).all()
