"""Where a pixel, a click and a box lie in a window and in the model's input; tiles."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import napari_pisam
from napari_pisam.geometry import (
    Window,
    WindowGrid,
    input_of_unit,
    pixel_centres,
    rescaled,
    square_window,
    tile_grid,
    unit_of_input,
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
    np.testing.assert_allclose(
        WindowGrid(window, 1).points_xy_unit([Click(y, x)]), [(across, down)], atol=1e-5
    )


@given(window=windows, down=shares, across=shares, size=st.sampled_from([16, 64, 512]))
def test_the_input_frame_counts_from_the_centre_of_its_first_pixel(
    window: Window, down: float, across: float, size: int
) -> None:
    click = Click(
        window.y - 0.5 + down * window.height, window.x - 0.5 + across * window.width, False
    )
    found = WindowGrid(window, size).points_xy_input([click])
    np.testing.assert_allclose(found, [(across * size - 0.5, down * size - 0.5)], atol=1e-3)
    # as large as the window itself, it is the image's own pixels, counted from the window's first
    own = Window(window.y, window.x, size, size)
    np.testing.assert_allclose(
        WindowGrid(own, size).points_xy_input([click]),
        [(click.x - own.x, click.y - own.y)],
        atol=1e-3,
    )


@given(window=windows, y=st.floats(-50, 50), x=st.floats(-50, 50), size=st.integers(1, 90))
def test_the_corners_of_a_box_lie_where_clicks_on_them_do(
    window: Window, y: float, x: float, size: int
) -> None:
    box = Box(y, x, y + size, x + 2 * size)
    corners = [Click(box.y_min, box.x_min), Click(box.y_max, box.x_max)]
    grid = WindowGrid(window, 64)
    found = grid.box_xyxy_input(box)
    np.testing.assert_array_equal(found, grid.points_xy_input(corners).ravel())
    assert found[0] < found[2]
    assert found[1] < found[3]


def test_no_clicks_are_an_empty_table() -> None:
    assert WindowGrid(Window(0, 0, 3, 3), 4).points_xy_unit([]).shape == (0, 2)


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


@settings(deadline=None)
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


grids = st.builds(WindowGrid, windows, st.sampled_from([1, 3, 16, 64, 255]))


@given(grid=grids, row=st.floats(-9, 300), column=st.floats(-9, 300))
def test_a_pixel_of_a_grid_lies_in_the_image_where_the_way_back_finds_it(
    grid: WindowGrid, row: float, column: float
) -> None:
    y, x = grid.y_of(row), grid.x_of(column)
    assert grid.rows_at(y) == pytest.approx(row, abs=1e-9)
    assert grid.columns_at(x) == pytest.approx(column, abs=1e-9)
    found = grid.points_xy_input([Click(y, x)])
    np.testing.assert_allclose(found, [(column, row)], atol=1e-2)
    unit = grid.points_xy_unit([Click(y, x)])
    np.testing.assert_allclose(unit_of_input(found, grid.side), unit, atol=1e-5)
    np.testing.assert_allclose(input_of_unit(unit, grid.side), found, atol=1e-5)


@given(grid=grids)
def test_the_pixels_of_a_grid_fill_its_window_from_edge_to_edge(grid: WindowGrid) -> None:
    window, (down, across) = grid.window, grid.pixel_size
    first, last = grid.y_of(0.0) - down / 2, grid.y_of(grid.side - 1.0) + down / 2
    np.testing.assert_allclose((first, last), (window.y - 0.5, window.y + window.height - 0.5))
    left, right = grid.x_of(0.0) - across / 2, grid.x_of(grid.side - 1.0) + across / 2
    np.testing.assert_allclose((left, right), (window.x - 0.5, window.x + window.width - 0.5))


@given(grid=grids, at=st.tuples(st.integers(0, 254), st.integers(0, 254)))
def test_the_middle_of_a_pixel_of_a_grid_is_in_that_pixel(
    grid: WindowGrid, at: tuple[int, int]
) -> None:
    row, column = (n % grid.side for n in at)
    rows, columns = grid.indices([Click(grid.y_of(float(row)), grid.x_of(float(column)))])
    assert (rows.tolist(), columns.tolist()) == ([row], [column])


@given(grid=grids, y=st.floats(-300, 300), x=st.floats(-300, 300))
def test_a_click_beside_a_window_is_at_the_nearest_edge_of_its_grid(
    grid: WindowGrid, y: float, x: float
) -> None:
    rows, columns = grid.indices([Click(y, x)])
    window = grid.window
    for index, place, start, length in (
        (int(rows[0]), y, window.y, window.height),
        (int(columns[0]), x, window.x, window.width),
    ):
        assert 0 <= index < grid.side
        assert index == 0 or place >= start - 0.5 - 1e-9
        assert index == grid.side - 1 or place <= start + length - 0.5 + 1e-9


def test_no_clicks_have_no_place_in_a_grid() -> None:
    rows, columns = WindowGrid(Window(0, 0, 3, 3), 4).indices([])
    assert rows.shape == columns.shape == (0,)


@given(grid=grids, height=st.integers(1, 60), width=st.integers(1, 60))
def test_a_pixel_of_a_grid_is_in_the_image_when_its_centre_is(
    grid: WindowGrid, height: int, width: int
) -> None:
    found = grid.in_image(height, width)
    for row in (0, grid.side // 2, grid.side - 1):
        for column in (0, grid.side // 2, grid.side - 1):
            y, x = grid.y_of(float(row)), grid.x_of(float(column))
            clear = all(
                abs(place - edge) > 1e-6
                for place, edges in ((y, (-0.5, height - 0.5)), (x, (-0.5, width - 0.5)))
                for edge in edges
            )
            inside = -0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5
            assert not clear or found[row, column] == inside


@given(grid=grids, height=st.integers(1, 60), width=st.integers(1, 60))
def test_the_part_of_a_window_in_the_image_is_the_same_in_whole_pixels_and_in_fractions(
    grid: WindowGrid, height: int, width: int
) -> None:
    inside = grid.window.inside(height, width)
    assume(inside is not None)
    assert inside is not None
    part, box = grid.part(inside), grid.resize_box(inside)
    left, upper, right, lower = box
    assert 0 <= left < right <= grid.side
    assert 0 <= upper < lower <= grid.side
    for first, count, low, high in (
        (part.y, part.height, upper, lower),
        (part.x, part.width, left, right),
    ):
        assert abs(first - low) <= 0.5 + 1e-9
        # less than a pixel is a whole one
        assert abs(first + count - high) <= (0.5 if high - low >= 1 else 1.5) + 1e-9
    whole = grid.window
    assert grid.part(whole) == Window(0, 0, grid.side, grid.side)
    assert grid.resize_box(whole) == (0, 0, grid.side, grid.side)


@given(a=windows, b=windows)
def test_two_windows_have_in_common_what_lies_in_both(a: Window, b: Window) -> None:
    def pixels(window: Window | None) -> set[tuple[int, int]]:
        if window is None:
            return set()
        rows, columns = (range(s.start, s.stop) for s in window.seen_from(-200, -200).slices)
        return {(y, x) for y in rows for x in columns}

    assert pixels(a.intersection(b)) == pixels(a) & pixels(b)
    assert a.intersection(b) == b.intersection(a)


@given(window=windows)
def test_a_window_seen_from_another_pixel_covers_the_same_of_an_array_that_begins_there(
    window: Window,
) -> None:
    labels = np.arange(300 * 300).reshape(300, 300)
    whole = labels[window.seen_from(-60, -60).slices]
    part = labels[5:, 7:][window.seen_from(-55, -53).slices]
    assert whole.shape == (window.height, window.width)
    assert np.array_equal(whole, part)


@given(window=windows, y=st.integers(-70, 160), x=st.integers(-70, 160), factor=st.integers(1, 5))
def test_an_enlarged_window_holds_the_pixels_that_its_own_become(
    window: Window, y: int, x: int, factor: int
) -> None:
    corners = [(y * factor, x * factor), ((y + 1) * factor - 1, (x + 1) * factor - 1)]
    large = window.enlarged(factor)
    for corner in corners:
        assert large.contains(Click(*corner)) == window.contains(Click(y, x))


@given(place=st.integers(-999, 999), factor=st.integers(1, 9))
def test_a_pixel_enlarged_has_its_centre_in_the_middle_of_the_pixels_it_becomes(
    place: int, factor: int
) -> None:
    becomes = np.arange(place * factor, (place + 1) * factor)
    assert rescaled(float(place), factor) == becomes.mean()


@given(edge=st.integers(-99, 99), length=st.integers(1, 999), count=st.integers(1, 99))
def test_pixels_that_fill_a_length_have_their_centres_evenly_in_it(
    edge: int, length: int, count: int
) -> None:
    borders = np.linspace(edge, edge + length, count + 1)
    np.testing.assert_allclose(
        pixel_centres(edge, length, count), (borders[1:] + borders[:-1]) / 2, atol=1e-9
    )


def changes_of_frame(source: str) -> list[str]:
    """Expressions of a module that go from pixels of one grid to those of another."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.BinOp):
            continue
        scales = isinstance(node.op, ast.Mult | ast.Div)
        # half a pixel added, then scaled
        centre = scales and any(_shifted(side, ast.Add) for side in (node.left, node.right))
        # scaled, then half a pixel taken off
        back = _shifted(node, ast.Sub) and any(
            isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult | ast.Div)
            for side in (node.left, *_terms(node.left))
        )
        # a place in the image scaled; the middle between two places is not another frame
        middle = isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant)
        place = (
            scales
            and not middle
            and any(
                isinstance(n, ast.Attribute) and n.attr in {"y", "x"}
                for side in (node.left, node.right)
                for n in (side, *_terms(side))
            )
        )
        # how large a pixel of a grid is
        pitch = isinstance(node.op, ast.Div) and (
            isinstance(node.left, ast.Attribute)
            and node.left.attr in {"height", "width"}
            and re.search(r"side|size|low|len\(|shape", ast.unparse(node.right))
        )
        if centre or back or place or pitch:
            found.append(ast.unparse(node))
    return found


def _shifted(node: ast.expr, by: type[ast.operator]) -> bool:
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, by)
        and any(isinstance(s, ast.Constant) and s.value == 0.5 for s in (node.left, node.right))
    )


def _terms(node: ast.expr) -> list[ast.expr]:
    """What a sum is made of; of anything else nothing."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return []
    sides = (node.left, node.right)
    return [*sides, *(term for side in sides for term in _terms(side))]


@pytest.mark.parametrize(
    "line",
    [
        "(click.x + 0.5) / side",
        "unit * size - 0.5",
        "window.y + (np.arange(n) + 0.5) * window.height / n",
        "float(rows[0]) * fy - 0.5",
        "round((inside.y - window.y) * size / window.height)",
        "(c.y + 0.5 - window.y) / scale",
        "window.y + (y0 + y1) / 2 * scale - 0.5",
        "PlacedMask(window.y * 3, 0, mask)",
        "window.height / len(logits)",
    ],
)
def test_a_change_of_frame_is_recognised(line: str) -> None:
    assert changes_of_frame(line)


PACKAGE = Path(napari_pisam.__file__).parent
NO_FRAMES = {
    # Where cells stand in synthetic tissue, in multiples of their distance.
    "datasets/synthetic.py",
    "datasets/synthetic_cells.py",
    # Shapes are drawn larger and made small again: no frame of a window.
    "datasets/outlines.py",
    # Pillow's own arithmetic of a resize, to the last digit: the place comes from WindowGrid.
    "predict/mask_bands.py",
}


@pytest.mark.parametrize(
    "path",
    # The model may not import geometry: it knows its own input and (x, y) in 0..1 of that.
    sorted({*PACKAGE.rglob("*.py")} - {*PACKAGE.glob("model/**/*.py"), PACKAGE / "geometry.py"}),
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_frames_are_changed_in_geometry_alone(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() not in NO_FRAMES:
        assert not changes_of_frame(path.read_text("utf-8"))
