"""What a click does now, in words and colour; and below everything, what the last result was."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from napari_pisam.predict.results import SegmentResult
from napari_pisam.widgets.segment_dock.modes import NO_IMAGE, Mode
from napari_pisam.widgets.viewer.colours import ADDS, DOUBT, OUTLINE, REMOVES, rgba

MESSAGE_SECONDS = 6.0
QUIET = "#9a9a9a"
TINT = 0.16
"""How strongly the banner is coloured behind its words, of 1."""


TONES = {"quiet": QUIET, "adds": ADDS, "removes": REMOVES, "mask": OUTLINE, "error": DOUBT}
"""The colour of each tone of a mode."""


class Banner(QFrame):
    """Shows a mode, or a message, on a background of its colour.

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
        # Never shown: it has the height of two lines in napari's style.
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
        if error:
            self._message = Mode(level, "error", "⚠  That did not work", sentence)
        else:
            self._message = Mode(level, "quiet", sentence)
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
        colour = TONES[shown.tone]
        if colour == self._colour:
            return
        self._colour = colour
        red, green, blue, _ = (round(255 * part) for part in rgba(colour, 1.0))
        self.setStyleSheet(
            f"QFrame#pisamBanner {{ border: none; border-left: 5px solid {colour};"
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
