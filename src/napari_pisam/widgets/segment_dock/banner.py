"""What a click does now, in words and colour; and below everything, what the last result was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from napari_pisam.predict.results import SegmentResult
from napari_pisam.widgets.viewer.colours import ADDS, DOUBT, OUTLINE, REMOVES, rgba

if TYPE_CHECKING:
    from napari_pisam.widgets.viewer.workspace import Workspace

MESSAGE_SECONDS = 6.0
QUIET = "#9a9a9a"
TINT = 0.16
"""How strongly the banner is coloured behind its words, of 1."""


@dataclass(frozen=True, slots=True)
class Mode:
    """What the banner says. name: for tests and style sheets. colour: of its bar."""

    name: str
    colour: str
    title: str
    hint: str = ""


NO_IMAGE = Mode("empty", QUIET, "Open an image to begin", "File > Open, or a sample of Pi-SAM.")
NO_PLANE = Mode("empty", QUIET, "No plane is shown", "Switch the viewer to 2D, on the image.")
PAUSED = Mode("paused", QUIET, "Clicks are napari's", "Press “Click to segment” to go on.")
BOX = Mode("box", OUTLINE, "Drag a box round the object", "Esc leaves the box.")
START = Mode(
    "start", ADDS, "Click on an object", "Shift or right click: not the object. Shift-drag: a box."
)
NEGATIVE = Mode("start", ADDS, "Now click on the object itself")
WORKING = Mode("busy", QUIET, "Looking …", "Go on clicking if you like; Esc drops the object.")
CORRECT = Mode("correct", OUTLINE, "Click where the mask is wrong", "Enter keeps it, Esc drops it.")
ADDING = Mode("correct", ADDS, "+  A click here adds", "Enter keeps the object, Esc drops it.")
REMOVING = Mode(
    "correct", REMOVES, "\u2212  A click here removes", "Enter keeps the object, Esc drops it."
)

STAGES = {
    "load": "Loading the model …",
    "intensity": "Measuring the image …",
    "read": "Looking …",
    "trial": "Looking …",
    "encode": "Drawing the mask …",
    "decode": "Drawing the mask …",
}


def mode_of(work: Workspace, *, over: str = "") -> Mode:
    """The mode that the workspace is in. over: what a click under the mouse would do."""
    session, mouse = work.session, work.mouse
    active_object = session.active_object
    if work.bridge.image is None:
        return NO_IMAGE
    if active_object is None:
        return NO_PLANE
    if not mouse.enabled:
        return PAUSED
    if not mouse.listens:
        return elsewhere(work)
    if mouse.box_mode:
        return BOX
    if session.waiting:
        return WORKING
    if active_object.prompt.empty:
        return START if active_object.untouched else NEGATIVE
    return {"adds": ADDING, "removes": REMOVING}.get(over, CORRECT)


def elsewhere(work: Workspace) -> Mode:
    """Why clicks are napari's although they are wanted, and what to do about it."""
    image, active = work.bridge.image, work.viewer.layers.selection.active
    if image is None or active is None:
        return NO_IMAGE
    if any(active is other for other in work.bridge.images() if other is not image):
        hint = f"Choose it as the image above, or select “{image.name}”."
        return Mode("paused", QUIET, f"“{active.name}” is selected", hint)
    if work.shapes is not None:
        hint = f"Press Box for a box round its shape, or select “{image.name}” to click."
        return Mode("paused", QUIET, f"“{active.name}” is selected", hint)
    if str(active.mode) != "pan_zoom":
        hint = "Choose its move tool (four arrows) to click on objects."
        return Mode("paused", QUIET, f"A tool of “{active.name}” is in hand", hint)
    hint = f"Select “{image.name}” in the layer list to click on objects."
    return Mode("paused", QUIET, f"“{active.name}” is selected", hint)


class Banner(QFrame):
    """Shows a mode, or a message, on a ground of its colour.

    A message goes after a while; an error stays until the person does something about it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pisamBanner")
        self.mode = NO_IMAGE
        self._title, self._hint = QLabel(), QLabel()
        for label in (self._title, self._hint):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        font = self._title.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self._title.setFont(font)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 4, 4)
        layout.setSpacing(1)
        layout.addWidget(self._title)
        layout.addWidget(self._hint)
        # Never seen: it tells how high two lines are in napari's style.
        self._two_lines = QLabel("\n", self)
        self._two_lines.hide()
        self.setToolTip("What a click on the image does now, and what went wrong.")
        self._message: Mode | None = None
        self._colour = ""
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._forget_message)
        self._show()

    def show_mode(self, mode: Mode) -> None:
        """Show what a click does, once no message is in front of it."""
        if mode != self.mode:
            self.mode = mode
            self._show()

    def show_message(self, level: str, sentence: str) -> None:
        """Show a sentence: "error" until `clear_message`, anything else for a while."""
        error = level == "error"
        colour, title = (DOUBT, "⚠  That did not work") if error else (QUIET, "")
        self._message = Mode(level, colour, title or sentence, sentence if title else "")
        self._clock.stop()
        if not error:
            self._clock.start(int(MESSAGE_SECONDS * 1000))
        self._show()

    def clear_message(self) -> None:
        """Show the mode again."""
        if self._message is not None:
            self._forget_message()

    @property
    def shown(self) -> Mode:
        """What is read there now."""
        return self._message or self.mode

    def _forget_message(self) -> None:
        self._message = None
        self._clock.stop()
        self._show()

    def _show(self) -> None:
        shown = self.shown
        self._title.setText(shown.title)
        self._hint.setText(shown.hint)
        self._hint.setVisible(bool(shown.hint))
        # What lies below does not jump with the mode.
        self._two_lines.ensurePolished()
        self._hint.setMinimumHeight(self._two_lines.sizeHint().height())
        if shown.colour == self._colour:
            return
        self._colour = shown.colour
        red, green, blue, _ = (round(255 * part) for part in rgba(shown.colour, 1.0))
        self.setStyleSheet(
            f"QFrame#pisamBanner {{ border: none; border-left: 5px solid {shown.colour};"
            f" background: rgba({red}, {green}, {blue}, {TINT}); }}"
            " QFrame#pisamBanner QLabel { background: transparent; }"
        )


class StatusLine(QLabel):
    """Model, device, time and resolution of the last result, in one line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setContentsMargins(6, 0, 6, 2)
        self.setToolTip(
            "Model and device of the last result, how long it took, and how many image pixels a "
            "pixel of the mask spans: below 1 the mask is finer than the image."
        )
        self.show_result(None, "")

    def show_result(self, result: SegmentResult | None, model: str) -> None:
        """Show what is known of a result, or only the model that will be used."""
        if result is None:
            self.setText(model)
        else:
            self.setText(status_of(result))


def status_of(result: SegmentResult) -> str:
    """One line on a result."""
    seconds = f"{result.seconds:.2f} s" if result.seconds < 9.95 else f"{result.seconds:.0f} s"
    size = f"mask pixel = {result.pixel_size:.2g} image px"
    return f"{result.model} · {result.device} · {seconds} · {size}"
