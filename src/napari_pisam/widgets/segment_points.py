"""Segment from points layers: `segment_points` for scripts, and its widget in Layers > Segment."""

from __future__ import annotations

import logging
from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_pisam.images.source import ImageError
from napari_pisam.predict.finishing import finish
from napari_pisam.prompts import Click
from napari_pisam.session.canvas import ArrayCanvas
from napari_pisam.session.plane import Ask, PlaneIndex
from napari_pisam.session.session import Session
from napari_pisam.widgets.frames import same_frame
from napari_pisam.widgets.identity import unwrapped
from napari_pisam.widgets.image_plane import Look, image_plane, spatial_shape
from napari_pisam.widgets.label_canvas import NEW_LABELS_DTYPE
from napari_pisam.widgets.model_loading import engine_for
from napari_pisam.widgets.prompt_layers import CORRECTIONS, PROMPTS, signs_of
from napari_pisam.widgets.runner import Answers, sentence_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels, Points

logger = logging.getLogger(__name__)

GROUP = "group"
DEFAULT_MODEL = "pisam-tiny"


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
    model: str | Answers = DEFAULT_MODEL,
) -> Labels:
    """Cut out the objects that points say, exactly as if they were clicked in the panel.

    image: 2D, RGB or a stack; planes are its last two axes. prompts, corrections: points layers in
    any transform. Their features may hold `group` (one object per value, all points are one
    object without it) and `kind`: "object" or "background" for prompts ("object" without it),
    "add", "remove" or "auto" for corrections ("auto" without it: the opposite of the mask there).
    Points of a group lie on one plane. model: a name of the zoo, the path of weights, or an
    engine. Returns a new labels layer with the image's transform; the labels are the groups where
    these are positive integers, else 1, 2, ... in the order of the points. Finished objects are
    not overwritten by later ones. Raises ValueError and ImageError in one sentence.
    """
    steps = segment_groups(image, prompts, corrections, model)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            labels: Labels = done.value
            return labels


def segment_groups(
    image: Image,
    prompts: Points,
    corrections: Points | None = None,
    model: str | Answers = DEFAULT_MODEL,
) -> Generator[tuple[int, int], None, Labels]:
    """`segment_points` in steps: yields (objects done, objects in all) after each."""
    from napari.layers import Labels as LabelsLayer

    image, prompts, corrections = unwrapped(image), unwrapped(prompts), unwrapped(corrections)
    wishes = wishes_of(image, prompts, corrections)
    if not wishes:
        raise ValueError("There is no point on an object: add points to the prompts layer first.")
    engine = engine_for(model) if isinstance(model, str) else model
    canvas = ArrayCanvas(np.zeros(spatial_shape(image), NEW_LABELS_DTYPE))
    session = Session(canvas)
    asks, failures = list[Ask](), list[str]()
    session.asked.connect(asks.append)
    session.said.connect(lambda level, text: failures.append(text) if level == "error" else None)
    for done, wish in enumerate(wishes, 1):
        session.look_at(image_plane(image, wish.index, Look(), name="image", version=""))
        session.set_points(wish.points)
        session.set_corrections(wish.corrections)
        session.keep()
        while asks:
            ask = asks.pop(0)
            if session.is_wanted(ask.id):
                session.accept(finish(engine.answer(ask)))
        if failures:
            raise ValueError(failures[0])
        yield done, len(wishes)
    labels = _renumbered(canvas.labels, wishes)
    return LabelsLayer(labels, name=f"{image.name} objects", **same_frame(image))


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
            _check(image, index, group)
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


def _check(image: Image, index: PlaneIndex, group: Hashable) -> None:
    shape = spatial_shape(image)
    for position, length in zip(index[:-2], shape, strict=False):
        if position is not None and not 0 <= position < length:
            raise ImageError(f"The points of group {group!r} lie outside the stack.")


def _groups(layer: Points) -> list[Hashable]:
    """The group of each point; without the column all are one."""
    if GROUP not in layer.features:
        return [0] * len(layer.data)
    return [g.item() if isinstance(g, np.generic) else g for g in layer.features[GROUP]]


def _in_image(image: Image, layer: Points) -> np.ndarray[Any, Any]:
    """The points in image pixels, (n, image.ndim)."""
    if layer.ndim < image.ndim:
        raise ValueError(
            f"The points layer “{layer.name}” has {layer.ndim} axes, the image {image.ndim}: "
            "add its points while the image is shown."
        )
    rows = [
        np.asarray(image.world_to_data(np.asarray(layer.data_to_world(row)))) for row in layer.data
    ]
    return np.array(rows).reshape(-1, image.ndim)


def _renumbered(labels: np.ndarray[Any, Any], wishes: list[Wish]) -> np.ndarray[Any, Any]:
    """Labels that are the groups, where these are positive integers."""
    groups = [wish.group for wish in wishes]
    named = all(isinstance(g, int) and not isinstance(g, bool) and g > 0 for g in groups)
    if not named or groups == list(range(1, len(groups) + 1)):
        return labels
    numbers = np.array([0, *groups], np.int64)
    wide = np.uint16 if numbers.max() <= np.iinfo(np.uint16).max else np.uint32
    named_labels: np.ndarray[Any, Any] = numbers.astype(wide)[labels]
    return named_labels


def segment_points_widget() -> Any:
    """The magicgui widget of `segment_points`: computes in the background, adds the labels."""
    from magicgui import magicgui

    from napari_pisam import zoo

    at_hand = [entry.name for entry in zoo.ZOO.values() if entry.embedded or zoo.is_at_hand(entry)]
    return magicgui(
        _segment,
        call_button="Segment",
        image={"tooltip": "The image whose objects are cut out."},
        prompts={"tooltip": "Points on the objects; a feature “group” tells objects apart."},
        corrections={"tooltip": "Points where the mask would be wrong, if there are any."},
        model={"choices": at_hand, "tooltip": "The model that draws the masks."},
    )


# The annotations are what magicgui makes the controls from; it reads them as text.
def _segment(
    viewer: napari.viewer.Viewer,
    image: napari.layers.Image,
    prompts: napari.layers.Points,
    corrections: napari.layers.Points | None,
    model: str,
) -> None:
    in_background(viewer, segment_groups(image, prompts, corrections, model))


def in_background(viewer: Any, steps: Generator[tuple[int, int], None, Labels]) -> Any:
    """Run `segment_groups` in a thread, with a bar in the activity dock; returns the worker.

    The labels are added when they are complete. What goes wrong is told in a sentence.
    """
    from napari.qt.threading import create_worker
    from napari.utils.notifications import show_error

    def run() -> Generator[tuple[int, int], None, Labels | str]:
        try:
            return (yield from steps)
        except Exception as error:
            logger.warning("Points could not be segmented.", exc_info=True)
            return sentence_of(error)

    def finish(found: Labels | str) -> None:
        if isinstance(found, str):
            show_error(found)
        else:
            viewer.add_layer(found)

    return create_worker(
        run, _connect={"returned": finish}, _progress={"desc": "Pi-SAM: segmenting points"}
    )
