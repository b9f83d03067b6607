"""Segment from points layers: `segment_points` for scripts, `Batch` for what runs it in steps."""

from __future__ import annotations

import math
import uuid
import warnings
from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.images.label_arrays import LayeredLabels, is_large
from napari_pisam.images.source import ImageError
from napari_pisam.jobs import finish
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Click
from napari_pisam.session.label_store import ArrayLabelStore
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.image_plane import ChannelChoice, image_plane, spatial_shape
from napari_pisam.widgets.viewer.layer_store import NEW_LABELS_DTYPE
from napari_pisam.widgets.viewer.layer_transform import same_frame
from napari_pisam.widgets.viewer.model_loading import SegmentEngine, engine_for, sentence_of
from napari_pisam.widgets.viewer.napari_compat import unwrapped
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS, signs_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Points

GROUP = "group"
DEFAULT_MODEL = "pisam-tiny"
# Labels of more pixels, all planes together, are no array.
ARRAY_PIXELS = 2**31


@dataclass(frozen=True, slots=True)
class Wish:
    """What the points say about one object."""

    group: Hashable
    index: PlaneIndex
    points: tuple[Click, ...]
    corrections: tuple[Click, ...]


def segment_points(
    image: Image,
    prompts: Points,
    corrections: Points | None = None,
    *,
    model: str | SegmentEngine = DEFAULT_MODEL,
) -> Labels:
    """Cut out the objects that points say, exactly as if they were clicked in the panel.

    image: 2D, RGB or a stack; planes are its last two axes. prompts, corrections: points layers in
    any transform. Their features may hold `group` (one object per value, all points are one
    object without it) and `kind`: "object" or "background" for prompts ("object" without it),
    "add", "remove" or "auto" for corrections ("auto" without it: the opposite of the mask there).
    Points of a group lie on one plane. model: a name of the zoo, the path of weights, or an
    engine. Returns a new labels layer with the image's transform, a lazy pyramid when the image is
    too large for an array; the labels are the groups where these are positive integers, else 1, 2,
    ... in the order of the points. Finished objects are not overwritten by later ones. Objects
    that cannot be cut are left out, and a warning tells of each. Raises ValueError and ImageError
    in one sentence, also when there is no object at all.
    """
    batch = Batch(image, prompts, corrections, model=model)
    finish(batch.steps())
    for sentence in batch.left_out:
        warnings.warn(sentence, stacklevel=2)
    return batch.layer()


class Batch:
    """The objects that points ask for, cut one after the other.

    For the arguments, and what it raises, see `segment_points`. done: how many were tried so far.
    left_out: a sentence for each object that could not be cut.
    """

    def __init__(
        self,
        image: Image,
        prompts: Points,
        corrections: Points | None = None,
        *,
        model: str | SegmentEngine = DEFAULT_MODEL,
    ) -> None:
        self._image = unwrapped(image)
        self._wishes = wishes_of(self._image, unwrapped(prompts), unwrapped(corrections))
        if not self._wishes:
            raise ValueError(
                "There is no point on an object: add points to the prompts layer first."
            )
        numbers = _numbers([wish.group for wish in self._wishes])
        self._store = _NumberedLabelStore(_empty_labels(spatial_shape(self._image), max(numbers)))
        self._numbers = numbers
        self._engine = engine_for(model) if isinstance(model, str) else model
        self._session = Session(self._store)
        self._open, self._failures = list[SegmentRequest](), list[str]()
        self._session.requested.connect(self._open.append)
        self._session.message.connect(self._on_message)
        self.left_out: list[str] = []
        self.done = 0

    @property
    def count(self) -> int:
        """How many objects are asked for."""
        return len(self._wishes)

    def steps(self) -> Generator[tuple[int, int], None, None]:
        """Cut them, yielding (objects done, objects in all) after each."""
        self._engine.prepare()
        # No other image has this name, whatever the engine has seen before.
        name = uuid.uuid4().hex
        for wish, number in zip(self._wishes, self._numbers, strict=True):
            self._store.coming = number
            plane = image_plane(self._image, wish.index, ChannelChoice(), name=name, version="")
            self._session.look_at(plane)
            self._cut(wish)
            self.done += 1
            yield self.done, self.count
        if len(self.left_out) == self.count:
            raise ValueError(self.left_out[0])

    def layer(self) -> Labels:
        """The labels of what was cut so far."""
        from napari.layers import Labels as LabelsLayer

        labels: Any = self._store.labels
        layered = isinstance(labels, LayeredLabels)
        return LabelsLayer(
            labels.levels if layered else labels,
            name=f"{self._image.name} objects",
            multiscale=layered,
            **same_frame(self._image),
        )

    def _cut(self, wish: Wish) -> None:
        session = self._session
        session.set_points(wish.points)
        session.set_corrections(wish.corrections)
        session.keep()
        while self._open:
            request = self._open.pop(0)
            if not session.is_wanted(request.id):
                continue
            try:
                result = finish(self._engine.steps(request))
            except ValueError as error:
                session.fail(request.id, sentence_of(error))
            else:
                session.accept(result)
        if self._failures:
            self.left_out.append(f"Group {wish.group!r} is left out: {self._failures[0]}")
            self._failures.clear()
            session.drop()

    def _on_message(self, level: str, sentence: str) -> None:
        if level == "error":
            self._failures.append(sentence)


class _NumberedLabelStore(ArrayLabelStore):
    """Labels of which the next is said beforehand."""

    coming = 0

    def next_label(self) -> int:
        """See LabelStore."""
        return self.coming


def _empty_labels(shape: tuple[int, ...], highest: int) -> Any:
    """Zeros: an array, which a person can edit, or what takes no memory when that is too large."""
    dtype = NEW_LABELS_DTYPE if highest <= np.iinfo(NEW_LABELS_DTYPE).max else np.dtype(np.uint32)
    if is_large(shape) or math.prod(shape) > ARRAY_PIXELS:
        return LayeredLabels(shape, dtype)
    return np.zeros(shape, dtype)


def _numbers(groups: Sequence[Hashable]) -> list[int]:
    """The labels of groups: themselves, where all are numbers that a label can be."""
    own = [g for g in groups if isinstance(g, int) and not isinstance(g, bool)]
    fit = len(own) == len(groups) and min(own) > 0 and max(own) <= np.iinfo(np.uint32).max
    return own if fit else list(range(1, len(groups) + 1))


def wishes_of(image: Image, prompts: Points, corrections: Points | None) -> list[Wish]:
    """The objects that two points layers ask for, in the order of their first prompts."""
    found: dict[Hashable, dict[str, list[Click]]] = {}
    planes: dict[Hashable, PlaneIndex] = {}
    for role, layer in ((PROMPTS, prompts), (CORRECTIONS, corrections)):
        if layer is None:
            continue
        places = _in_image(image, layer)
        for group, place, sign in zip(_groups(layer), places, signs_of(layer, role), strict=True):
            if role == CORRECTIONS and group not in found:
                raise ValueError(f"Group {group!r} has corrections but no prompt: add a prompt.")
            index: PlaneIndex = (*(round(float(v)) for v in place[:-2]), None, None)
            _check(image, index, place=place, group=group)
            if planes.setdefault(group, index) != index:
                raise ValueError(f"The points of group {group!r} lie on several planes.")
            clicks = found.setdefault(group, {PROMPTS: [], CORRECTIONS: []})
            clicks[role].append(Click(float(place[-2]), float(place[-1]), sign))
    for group, clicks in found.items():
        if not any(c.positive for c in clicks[PROMPTS]):
            raise ValueError(f"Group {group!r} has no point on the object: add one.")
    return [
        Wish(group, planes[group], tuple(clicks[PROMPTS]), tuple(clicks[CORRECTIONS]))
        for group, clicks in found.items()
    ]


def _check(image: Image, index: PlaneIndex, *, place: Any, group: Hashable) -> None:
    *stack, height, width = spatial_shape(image)
    for position, length in zip(index[:-2], stack, strict=True):
        if position is not None and not 0 <= position < length:
            raise ImageError(f"The points of group {group!r} lie outside the stack.")
    y, x = place[-2:]
    if not (-0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5):
        raise ImageError(
            f"A point of group {group!r} lies outside the image, which has {height} rows and "
            f"{width} columns, at row {y:g} and column {x:g}."
        )


def _groups(layer: Points) -> list[Hashable]:
    """The group of each point; without the column all are one."""
    if GROUP not in layer.features:
        return [0] * len(layer.data)
    column = layer.features[GROUP]
    if column.isna().any():
        nth = int(np.flatnonzero(column.isna())[0])
        raise ValueError(
            f"Point {nth} of the layer “{layer.name}” has no group: give each point one."
        )
    groups = [g.item() if isinstance(g, np.generic) else g for g in column]
    # A table in which a number was missing once holds its whole numbers as 1.0, 2.0 ...
    return [int(g) if isinstance(g, float) and g.is_integer() else g for g in groups]


def _in_image(image: Image, layer: Points) -> np.ndarray[Any, Any]:
    """The points in image pixels, (n, image.ndim)."""
    if layer.ndim < image.ndim:
        raise ValueError(
            f"The points layer “{layer.name}” has {layer.ndim} axes, the image {image.ndim}: "
            "add its points while the image is shown."
        )

    def moved(row: Any) -> Any:
        return np.asarray(image.world_to_data(np.asarray(layer.data_to_world(row))))

    # Layers take one place at a time; what they do to it is affine.
    origin = moved(np.zeros(layer.ndim))
    steps = np.array([moved(unit) - origin for unit in np.eye(layer.ndim)])
    places: np.ndarray[Any, Any] = np.asarray(layer.data, float) @ steps + origin
    return np.round(places, 9).reshape(-1, image.ndim)
