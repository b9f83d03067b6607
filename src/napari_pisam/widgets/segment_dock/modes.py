"""What a click does now, as the banner says it: a pure function of what is chosen and selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_pisam.session.session import Session


@dataclass(frozen=True, slots=True)
class Mode:
    """What the banner says.

    name: for tests and style sheets. tone: which of the banner's colours it has: "quiet", "adds",
    "removes", "mask" or "error".
    """

    name: str
    tone: str
    title: str
    hint: str = ""


NO_IMAGE = Mode("empty", "quiet", "Open an image to begin", "File > Open, or a sample of Pi-SAM.")
NO_PLANE = Mode("empty", "quiet", "No plane is shown", "Switch the viewer to 2D, on the image.")
PAUSED = Mode("paused", "quiet", "Clicks go to napari", "Press “Click to segment” to go on.")
BOX = Mode("box", "mask", "Drag a box round the object", "Esc leaves the box.")
START = Mode(
    "start",
    "adds",
    "Click on an object",
    "Shift or right click: not the object. Shift-drag: a box.",
)
NEGATIVE = Mode("start", "adds", "Now click on the object itself")
WORKING = Mode("busy", "quiet", "Looking …", "Go on clicking if you like; Esc drops the object.")
CORRECT = Mode("correct", "mask", "Click where the mask is wrong", "Enter keeps it, Esc drops it.")
ADDING = Mode("correct", "adds", "+  A click here adds", "Enter keeps the object, Esc drops it.")
REMOVING = Mode(
    "correct", "removes", "\u2212  A click here removes", "Enter keeps the object, Esc drops it."
)

STAGES = {
    "load": "Loading the model …",
    "intensity": "Measuring the image …",
    "read": "Looking …",
    "trial": "Looking …",
    "encode": "Drawing the mask …",
    "decode": "Drawing the mask …",
}
"""What the model's thread does, by the names that its steps have."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides what a click does, beside the session.

    image: name of the image that is segmented, None without one. selected: name of the layer that
    is selected, None without one; other_image: whether that is another image; has_shapes: whether
    it holds shapes; tool: its mode in napari's words. clicks_on: whether clicks are to segment;
    listens: whether they do now; box_mode: whether the next drag is a box. pointed: what a click
    under the mouse would do, "adds", "removes" or "". stage: what the model's thread does now.
    show_unsure: whether the places are coloured where the model is unsure.
    """

    image: str | None = None
    selected: str | None = None
    other_image: bool = False
    has_shapes: bool = False
    tool: str = "pan_zoom"
    clicks_on: bool = True
    listens: bool = True
    box_mode: bool = False
    pointed: str = ""
    stage: str = ""
    show_unsure: bool = False


def mode_of(session: Session, situation: Situation) -> Mode:
    """What a click does now."""
    active_object = session.active_object
    if situation.image is None:
        return NO_IMAGE
    if active_object is None:
        return NO_PLANE
    if not situation.clicks_on:
        return PAUSED
    if not situation.listens:
        return _elsewhere(situation)
    if situation.box_mode:
        return BOX
    if session.waiting:
        title = STAGES.get(situation.stage, WORKING.title)
        return Mode(WORKING.name, WORKING.tone, title, WORKING.hint)
    if active_object.prompt.empty:
        return START if active_object.untouched else NEGATIVE
    return {"adds": ADDING, "removes": REMOVING}.get(situation.pointed, CORRECT)


def _elsewhere(situation: Situation) -> Mode:
    """Why clicks go to napari although they are to segment, and what to do about it."""
    image, selected = situation.image, situation.selected
    if selected is None:
        return NO_IMAGE
    if situation.other_image:
        hint = f"Choose it as the image above, or select “{image}”."
    elif situation.has_shapes:
        hint = f"Press Box for a box round its shape, or select “{image}” to click."
    elif situation.tool != "pan_zoom":
        hint = "Choose its move tool (four arrows) to click on objects."
        return Mode("paused", "quiet", f"A tool of “{selected}” is chosen", hint)
    else:
        hint = f"Select “{image}” in the layer list to click on objects."
    return Mode("paused", "quiet", f"“{selected}” is selected", hint)
