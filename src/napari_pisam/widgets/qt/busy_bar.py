"""Work that takes long, with how far it is and a button that cancels it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

PERCENT = 100


class BusyBar(QWidget):
    """Shown while something goes on. Signal: cancelled(), its button was pressed.

    napari's own bars in the activity dock are not used: while there is one, an animation in the
    status bar has the whole window painted 28 times a second, which with software OpenGL takes
    the processor from the work that is waited for. This one is painted once a percent.
    """

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.bar, self.cancel = QLabel(), QProgressBar(), QPushButton("Cancel")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setWordWrap(True)
        self.bar.setRange(0, PERCENT)
        # The canvas keeps the keys.
        self.cancel.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cancel.setToolTip("Stop this work.")
        self.cancel.clicked.connect(lambda checked: self.cancelled.emit())
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addLayout(row)
        self.setVisible(False)

    def show_progress(self, title: str, *, done: int = 0, total: int = 0) -> None:
        """Say what goes on and how far it is. total: 0 when nobody knows how long it will take."""
        self.title.setText(title)
        # A bar without an end would be animated.
        self.bar.setVisible(total > 0)
        self.bar.setValue(done * PERCENT // total if total else 0)
        self.setVisible(True)

    def finish(self) -> None:
        """It is over."""
        self.setVisible(False)
