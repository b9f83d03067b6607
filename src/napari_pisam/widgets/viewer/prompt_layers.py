"""Two points layers, prompts and corrections: how clicks stand in them, and what they say.

The session's clicks are the truth; `points_input` reads what others put there, `layer_sync` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_pisam.prompts import Click
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.widgets.viewer.colours import ADDS, BORDER, REMOVES, UNDECIDED, rgba
from napari_pisam.widgets.viewer.identity import ROLE
from napari_pisam.widgets.viewer.layer_transform import rows_of, same_frame
from napari_pisam.widgets.viewer.view_state import PlaneClicks, ViewState

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


def signs_of(layer: Points, role: str) -> list[bool | None]:
    """The sign of every point of a layer; silence means yes for a prompt, ask for a correction."""
    silent = True if role == PROMPTS else None
    count = len(layer.data)
    if KIND not in layer.features:
        return [silent] * count
    kinds = list(layer.features[KIND])
    return [SIGNS.get(kind, silent) if isinstance(kind, str) else silent for kind in kinds]


def clicks_of(state: ViewState, role: str) -> tuple[PlaneClicks, ...]:
    """The clicks that a layer of that role is to show."""
    return state.prompts if role == PROMPTS else state.corrections


def known_rows(state: ViewState, role: str, *, but: PlaneIndex | None = None) -> frozenset[Row]:
    """The rows of a layer that the session has; but: a plane that is left out."""
    rows: list[NDArray[np.float64]] = []
    for on_plane in clicks_of(state, role):
        if on_plane.index != but:
            rows.extend(_rows(on_plane))
    return frozenset(tuple(row) for row in rows)


def _rows(on_plane: PlaneClicks) -> NDArray[np.float64]:
    return rows_of(on_plane.index, [(c.y, c.x) for c in on_plane.clicks])


@dataclass(frozen=True, slots=True, eq=False)
class PointsTable:
    """What a points layer is to hold. rows: (n, ndim), data coordinates. signs: one for each."""

    rows: NDArray[np.float64]
    signs: tuple[bool | None, ...]

    def is_held_by(self, layer: Points) -> bool:
        """Whether the layer has exactly these rows; their signs do not count."""
        held = np.asarray(layer.data)
        return held.shape == self.rows.shape and np.array_equal(held, self.rows)


def points_table(layer: Points, role: str, state: ViewState) -> PointsTable:
    """The clicks of every plane, and the rows that a script put on planes not looked at yet."""
    planes = clicks_of(state, role)
    elsewhere = _rows_elsewhere(layer, state.index, known_rows(state, role))
    rows = [np.zeros((0, layer.ndim)), *(_rows(p) for p in planes), *(r[None] for r in elsewhere)]
    silent = True if role == PROMPTS else None
    signs = [c.positive for on_plane in planes for c in on_plane.clicks]
    return PointsTable(np.concatenate(rows), (*signs, *(silent for _ in elsewhere)))


def _rows_elsewhere(
    layer: Points, index: PlaneIndex | None, known: frozenset[Row]
) -> list[NDArray[np.float64]]:
    if index is None:
        return []
    rows = (np.asarray(row, float) for row in np.asarray(layer.data))
    return [
        row
        for row in rows
        if np.isfinite(row).all() and tuple(row) not in known and not _lies_on(row, index)
    ]


def write_points(layer: Points, role: str, table: PointsTable) -> None:
    """Make a layer hold exactly those points, in the colours of their signs.

    Rows, signs and colours are assigned once each, and only where they differ.
    """
    if not table.is_held_by(layer):
        layer.data = table.rows
        if not table.is_held_by(layer):
            # Somebody who listens has put other points there, which were read and written already.
            return
    kinds = [kind_of(role, sign) for sign in table.signs]
    if list(layer.features.get(KIND, ())) != kinds:
        defaults = {name: column.iloc[0] for name, column in layer.feature_defaults.items()}
        layer.features = layer.features.assign(**{KIND: np.array(kinds, dtype=object)})
        # Setting features makes the last row the default of the next point.
        layer.feature_defaults = {**defaults, KIND: OBJECT if role == PROMPTS else AUTO}
    colours = np.array([colour_of(sign) for sign in table.signs])
    if len(colours) and not np.allclose(np.asarray(layer.face_color), colours):
        layer.face_color = colours
