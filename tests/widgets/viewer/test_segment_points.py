"""segment_points: by script, and the same labels as by clicking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from napari_pisam.images.source import ImageError
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Click
from napari_pisam.widgets.viewer import segment_points as module
from napari_pisam.widgets.viewer.pyramid_store import layered_of
from napari_pisam.widgets.viewer.segment_points import segment_points
from tests.session.discs import DiscEngine
from tests.widgets.conftest import Opener


@pytest.fixture
def image() -> Image:
    return Image(np.zeros((120, 160), np.uint8), name="cells", scale=(0.5, 0.5), units=("um", "um"))


def points(rows: list[Any], **features: list[Any]) -> Points:
    return Points(np.array(rows, float), features=features)


def run(image: Image, prompts: Points, corrections: Points | None = None) -> Any:
    return segment_points(image, prompts, corrections, model=DiscEngine())


def test_all_points_are_one_object_without_groups(image: Image) -> None:
    prompts = points([(30, 30), (30, 40)])
    prompts.scale = (0.5, 0.5)
    labels = run(image, prompts)
    assert labels.name == "cells objects"
    assert set(np.unique(labels.data)) == {0, 1}
    assert labels.data[30, 45] == 1
    assert tuple(labels.scale) == (0.5, 0.5)
    assert labels.units == image.units


def test_points_count_in_the_world_not_in_their_own_pixels(image: Image) -> None:
    labels = run(image, points([(15, 15)]))
    assert labels.data[30, 30] == 1


@pytest.mark.parametrize(
    ("groups", "expected"),
    [([1, 1, 2], {1, 2}), ([7, 7, 3], {3, 7}), (["b", "b", "a"], {1, 2}), ([0, 0, 5], {1, 2})],
)
def test_one_object_per_group(image: Image, groups: list[Any], expected: set[int]) -> None:
    image.scale = (1, 1)
    labels = run(image, points([(30, 30), (30, 36), (90, 120)], group=groups))
    assert set(np.unique(labels.data)) - {0} == expected
    assert labels.data[30, 30] != labels.data[90, 120]
    if groups[0] == 7:
        assert labels.data[30, 30] == 7


def test_kinds_and_corrections(image: Image) -> None:
    image.scale = (1, 1)
    prompts = points([(30, 30), (30, 42)], kind=["object", "background"])
    corrections = points([(30, 24), (50, 30), (30, 60)], kind=["remove", "add", "auto"])
    data = run(image, prompts, corrections).data
    assert data[30, 32] == 0
    assert data[30, 24] == 0
    assert data[50, 30] == 1
    assert data[30, 60] == 1


def test_the_same_labels_as_clicking(open_panel: Opener) -> None:
    array = np.zeros((3, 120, 160), np.uint8)
    user = open_panel(array, scale=(2, 0.5, 0.5))
    session = user.widget.session
    user.viewer.dims.set_current_step(0, 1)
    said = [((30, 30), [(30, 36), (30, 52)]), ((80, 100), [(80, 100)]), ((30, 45), [])]
    for place, corrections in said:
        session.click(Click(*place, None))
        user.wait()
        for correction in corrections:
            session.click(Click(*correction, None))
            user.wait()
        user.widget.keep()
    prompts = points([(1, *p) for p, _ in said], group=[1, 2, 3])
    rows = [(i, (1, *c)) for i, (_, cs) in enumerate(said, 1) for c in cs]
    corrections_layer = points([r for _, r in rows], group=[i for i, _ in rows])
    prompts.scale = corrections_layer.scale = (2, 0.5, 0.5)
    labels = segment_points(user.widget.image, prompts, corrections_layer, model=DiscEngine())
    assert user.widget.labels is not None
    assert user.widget.labels.data.max() == 3
    assert np.array_equal(labels.data, user.widget.labels.data)


@pytest.mark.parametrize(
    ("prompts", "corrections", "sentence"),
    [
        (Points(ndim=2), None, "There is no point"),
        (points([(1, 1)], kind=["background"]), None, "no point on the object"),
        (points([(1, 1)]), points([(1, 1)], group=[4]), "no prompt"),
    ],
)
def test_what_cannot_be_is_told(
    image: Image, prompts: Points, corrections: Points | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        run(image, prompts, corrections)


def test_points_of_a_stack_lie_on_one_plane_each() -> None:
    stack = Image(np.zeros((3, 50, 60), np.uint8))
    with pytest.raises(ValueError, match="several planes"):
        run(stack, points([(0, 10, 10), (1, 10, 10)]))
    with pytest.raises(ImageError, match="outside the stack"):
        run(stack, points([(7, 10, 10)]))
    with pytest.raises(ValueError, match="2 axes"):
        run(stack, points([(10, 10)]))
    labels = run(stack, points([(0, 20, 20), (2, 20, 20)], group=[1, 2]))
    assert labels.data[0, 20, 20] == 1
    assert labels.data[2, 20, 20] == 2


def test_a_script_needs_no_window(image: Image) -> None:
    viewer = ViewerModel()
    viewer.add_layer(image)
    image.scale = (1, 1)
    prompts = viewer.add_points([(30, 30)])
    viewer.add_layer(segment_points(image, prompts, model=DiscEngine()))
    assert viewer.layers[-1].data[30, 30] == 1


class Failing(DiscEngine):
    """Fails for objects whose first point lies in some columns."""

    def __init__(self, *columns: int) -> None:
        super().__init__()
        self.columns = columns

    def steps(self, request: SegmentRequest) -> Any:
        """See Engine."""
        if not self.columns or request.prompt.points[0].x in self.columns:
            raise ImageError("A part of cells cannot be read.")
        return (yield from super().steps(request))


def test_one_object_that_fails_costs_no_other(image: Image) -> None:
    image.scale = (1, 1)
    prompts = points([(30, 30), (30, 90), (90, 120)], group=[4, 5, 6])
    with pytest.warns(UserWarning, match=r"^Group 5 is left out: A part of cells cannot be read"):
        labels = segment_points(image, prompts, model=Failing(90))
    assert set(np.unique(labels.data)) == {0, 4, 6}
    with pytest.raises(ValueError, match="Group 0 is left out"):
        segment_points(image, points([(30, 30)]), model=Failing())


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([1.0, 70_000.0], {1, 70_000}),
        ([1.5, 2.5], {1, 2}),
        ([-3, 4], {1, 2}),
        ([True, False], {1, 2}),
        ([2**40, 2**41], {1, 2}),
    ],
)
def test_labels_are_the_groups_only_where_labels_can_be(
    image: Image, groups: list[Any], expected: set[int]
) -> None:
    image.scale = (1, 1)
    labels = run(image, points([(30, 30), (90, 120)], group=groups))
    assert set(np.unique(labels.data)) - {0} == expected


def test_a_point_without_a_group_and_one_outside_are_told(image: Image) -> None:
    image.scale = (1, 1)
    with pytest.raises(ValueError, match=r"Point 1 of the layer .* has no group"):
        run(image, points([(30, 30), (30, 40)], group=[1, np.nan]))
    with pytest.raises(ImageError, match="120 rows and 160 columns, at row 30 and column 160"):
        run(image, points([(30, 30), (30, 160)], group=[1, 2]))


def test_points_are_placed_by_whole_layers_as_one_by_one() -> None:
    image = Image(np.zeros((3, 120, 160)), scale=(2, 0.5, 0.25), rotate=20, translate=(1, 5, 7))
    layer = points([(0, 1, 2, 3), (0, 2, 30, 40), (9, 0.5, 1.5, 2.5)])
    layer.scale, layer.affine = (1, 2, 0.5, 1), np.eye(5) + np.diag([0, 0.1, 0, 0], 1)
    one_by_one = [image.world_to_data(layer.data_to_world(row)) for row in layer.data]
    np.testing.assert_allclose(module._in_image(image, layer), one_by_one, atol=1e-8)


def test_labels_of_a_large_image_take_memory_where_objects_are() -> None:
    large = Image(
        [np.broadcast_to(np.uint8(9), (n, n)) for n in (100_000, 1000)], contrast_limits=(0, 255)
    )
    labels = run(large, points([(5000, 99_000), (80_000, 100)], group=[3, 9]))
    assert labels.multiscale
    assert labels.data[0].shape == (100_000, 100_000)
    assert labels.data[0][5000, 99_000] == 3
    assert labels.data[0].nbytes < 3e6
    viewer = ViewerModel()
    viewer.add_layer(labels)
    assert max(level.shape[0] for level in labels.data[1:]) == 50_000
    assert labels.data[-1].shape == (1562, 1562)
    assert labels.data[3][5000 // 8, 99_000 // 8] == 3
    # The panel goes on in such a layer.
    assert layered_of(labels) is labels.data[0]
