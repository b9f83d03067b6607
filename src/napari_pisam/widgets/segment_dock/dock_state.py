"""What the panel shows, as a pure function of session, layers and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_pisam.widgets.segment_dock.modes import Mode, Situation, mode_of

if TYPE_CHECKING:
    from napari_pisam.predict.results import SegmentResult
    from napari_pisam.session.journal import Restored
    from napari_pisam.session.objects import KeptObject
    from napari_pisam.session.session import Session

NEW_LABELS = "New layer"
NO_IMAGES = "no image is open"


@dataclass(frozen=True, slots=True)
class Choice:
    """The entries of a combo box and the row that is chosen."""

    names: tuple[str, ...]
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class DockState:
    """What the panel shows.

    enabled: the buttons that can be pressed. deleted: names of deleted labels layers that can be
    put back. offer: objects of an earlier session. result: the last result of the model. size: the
    typical size of an object, image pixels.
    """

    mode: Mode
    images: Choice
    labels: Choice
    enabled: frozenset[str]
    box_mode: bool
    show_unsure: bool
    deleted: tuple[str, ...]
    offer: Restored | None
    objects: tuple[KeptObject, ...]
    size: float | None
    result: SegmentResult | None


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """The layers that can be chosen, by name, and the rows of those that are; None for none.

    objects: those kept in the chosen labels. deleted: labels layers that were deleted with objects
    in them.
    """

    images: Sequence[str] = ()
    image: int | None = None
    labels: Sequence[str] = ()
    target: int | None = None
    objects: tuple[KeptObject, ...] = ()
    deleted: Sequence[str] = ()


def dock_state(
    session: Session,
    situation: Situation,
    layers: Layers,
    *,
    offer: Restored | None = None,
    last_result: SegmentResult | None = None,
) -> DockState:
    """What the panel shows now.

    last_result: what was shown before, which stays in the last line until there is another.
    """
    active = session.active_object
    return DockState(
        mode=mode_of(session, situation),
        images=Choice(tuple(layers.images) or (NO_IMAGES,), layers.image or 0),
        labels=Choice(
            (*layers.labels, NEW_LABELS),
            len(layers.labels) if layers.target is None else layers.target,
        ),
        enabled=_enabled(session),
        box_mode=situation.box_mode,
        show_unsure=situation.show_unsure,
        deleted=tuple(layers.deleted),
        offer=offer,
        objects=layers.objects,
        size=session.typical_size,
        result=(active.result if active is not None else None) or last_result,
    )


def _enabled(session: Session) -> frozenset[str]:
    """The buttons that make sense now; showing doubt and pausing always do."""
    active = session.active_object
    started = active is not None and not active.untouched
    buttons = {
        "keep": started,
        "drop": started,
        "undo": session.can_undo,
        "redo": session.can_redo,
        "flip": active is not None and bool(active.prompt.corrections),
        "box": active is not None,
        "doubt": active is not None and active.result is not None,
        "unsure": True,
    }
    return frozenset(name for name, on in buttons.items() if on)
