"""Two points layers, prompts and corrections, and the session's clicks: each follows the other.

The session's clicks are the truth. A point that the person adds, moves or deletes with napari's
own tools, or a script with `layer.add`, is read back at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.prompts import Click
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.colours import ADDS, BORDER, REMOVES, UNDECIDED, rgba
from napari_pisam.widgets.viewer.identity import ROLE
from napari_pisam.widgets.viewer.layer_transform import blocked, rows_of, same_frame

if TYPE_CHECKING:
    from napari.layers import Image, Points

Row = tuple[float, ...]

KIND = "kind"
OBJECT, BACKGROUND = "object", "background"
ADD, REMOVE, AUTO = "add", "remove", "auto"

# What a kind of point says; anything else, a script's point without features too, says nothing.
SIGNS = {OBJECT: True, BACKGROUND: False, ADD: True, REMOVE: False}

PROMPTS, CORRECTIONS = "prompts", "corrections"
NAMES = {PROMPTS: "Pi-SAM prompts", CORRECTIONS: "Pi-SAM corrections"}
SYMBOLS = {PROMPTS: "disc", CORRECTIONS: "diamond"}
POINT_SIZE = 13


def kind_of(role: str, positive: bool | None) -> str:
    """The word for a click in the features of its layer."""
    if positive is None:
        return AUTO
    if role == PROMPTS:
        return OBJECT if positive else BACKGROUND
    return ADD if positive else REMOVE


def colour_of(positive: bool | None) -> tuple[float, float, float, float]:
    """Its colour in the layer."""
    return rgba(UNDECIDED if positive is None else ADDS if positive else REMOVES, 1.0)


def new_points_layer(role: str, image: Image) -> Points:
    """An empty points layer for that image."""
    from napari.layers import Points

    layer = Points(
        ndim=image.ndim,
        name=NAMES[role],
        symbol=SYMBOLS[role],
        size=POINT_SIZE,
        border_color=BORDER,
        border_width=0.12,
        face_color=ADDS if role == PROMPTS else UNDECIDED,
        features={KIND: np.array([], dtype=object)},
        feature_defaults={KIND: OBJECT if role == PROMPTS else AUTO},
        metadata={ROLE: role},
        **same_frame(image),
    )
    # The size of a point is a size on the screen, not in the image; see fit_points.
    layer.canvas_size_limits = (1, POINT_SIZE)
    return layer


def fit_points(layer: Points, zoom: float, *, ratio: float = 1.0) -> None:
    """Keep points the same size on the screen.

    zoom: screen pixels per image pixel. ratio: what one of them is in pixels of the hardware.
    Points are made a little too large and are cut to size on the screen, so that they change only
    when the zoom has changed by a good deal.
    """
    limits = (1, round(POINT_SIZE * ratio))
    if tuple(layer.canvas_size_limits) != limits:
        layer.canvas_size_limits = limits
    now = float(layer.current_size) * zoom
    if not POINT_SIZE <= now <= 2 * POINT_SIZE:
        size = POINT_SIZE * 1.4 / zoom
        layer.selected_data = set()
        layer.current_size = size
        if len(layer.data):
            layer.size = size


def plane_clicks(
    layer: Points, role: str, index: PlaneIndex, *, others: frozenset[Row] = frozenset()
) -> tuple[Click, ...]:
    """The clicks that lie on one plane, in the order of the layer.

    others: rows of the layer that are known to belong to other planes, which may cross this one.
    """
    y_axis, x_axis = (axis for axis, position in enumerate(index) if position is None)
    clicks = []
    for row, positive in zip(np.asarray(layer.data), signs_of(layer, role), strict=True):
        if _lies_on(row, index) and tuple(row) not in others:
            clicks.append(Click(float(row[y_axis]), float(row[x_axis]), positive))
    return tuple(clicks)


def _lies_on(row: NDArray[np.float64], index: PlaneIndex) -> bool:
    fixed = ((axis, position) for axis, position in enumerate(index) if position is not None)
    return bool(np.isfinite(row).all()) and all(round(float(row[a])) == p for a, p in fixed)


def rows_elsewhere(
    layer: Points, index: PlaneIndex, known: frozenset[Row]
) -> list[NDArray[np.float64]]:
    """Rows that a script put on planes which nobody has looked at yet."""
    rows = (np.asarray(row, float) for row in np.asarray(layer.data))
    return [row for row in rows if tuple(row) not in known and not _lies_on(row, index)]


def signs_of(layer: Points, role: str) -> list[bool | None]:
    """The sign of every point of a layer; silence means yes for a prompt, ask for a correction."""
    silent = True if role == PROMPTS else None
    count = len(layer.data)
    if KIND not in layer.features:
        return [silent] * count
    kinds = list(layer.features[KIND])
    return [SIGNS.get(kind, silent) if isinstance(kind, str) else silent for kind in kinds]


def write_clicks(
    layer: Points,
    role: str,
    planes: Sequence[tuple[PlaneIndex, tuple[Click, ...]]],
    *,
    elsewhere: Sequence[NDArray[np.float64]] = (),
) -> bool:
    """Make a layer hold exactly those clicks and rows; one that does already is left alone.

    Returns whether rows have changed. They are drawn with the layer's next `refresh`. Others who
    listen to the layer are to hear of it with `tell_changed`, once the window has time: each
    telling has the viewer look through every layer.
    """
    rows = [rows_of(index, [(c.y, c.x) for c in clicks]) for index, clicks in planes]
    rows += [row[None] for row in elsewhere]
    data = np.concatenate([np.zeros((0, layer.ndim)), *rows])
    silent = True if role == PROMPTS else None
    signs = [c.positive for _, clicks in planes for c in clicks] + [silent] * len(elsewhere)
    kinds = [kind_of(role, sign) for sign in signs]
    held = np.asarray(layer.data)
    same = held.shape == data.shape and np.array_equal(held, data)
    if not same:
        with blocked(layer, "data", "set_data", "highlight", "thumbnail"):
            layer.data = data
    if list(layer.features.get(KIND, ())) == kinds:
        return not same
    if KIND in layer.features and not same:
        # In place, which draws nothing: whoever listens is told of it with the rows.
        layer.features[KIND] = np.array(kinds, dtype=object)
    else:
        default = OBJECT if role == PROMPTS else AUTO
        layer.features = {KIND: np.array(kinds, dtype=object)}
        # Setting features makes the last row the default of the next point.
        if kinds and kinds[-1] != default:
            layer.feature_defaults = {KIND: default}
    return not same


def tell_changed(layer: Points) -> None:
    """Have everybody who listens to a layer know that its points are others."""
    from napari.layers.base import ActionType

    layer.events.data(
        value=layer.data,
        action=ActionType.CHANGED,
        data_indices=tuple(range(len(layer.data))),
        vertex_indices=((),),
    )
    layer.events.features()


def colour_clicks(layer: Points, role: str) -> bool:
    """Give every point the colour of its sign; returns whether one had another."""
    colours = np.array([colour_of(sign) for sign in signs_of(layer, role)])
    if not len(colours) or np.allclose(np.asarray(layer.face_color), colours):
        return False
    layer.face_color = colours
    return True
