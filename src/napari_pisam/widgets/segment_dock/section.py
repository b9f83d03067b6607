"""A heading that shows and hides what belongs to it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

OPEN, CLOSED = "▾", "▸"
NO_LIMIT = 16_777_215
"""Qt's height of a widget that may be as high as it likes."""


class Section(QCollapsible):
    """Closed at first; once open it is as high as its content is at that moment.

    The sign beside the title is text, so that it has the colour of the theme.
    """

    def __init__(self, title: str, content: QWidget, *, tooltip: str) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.setContent(content)
        heading, inside = self.toggleButton(), self.layout()
        heading.setToolTip(tooltip)
        # The canvas keeps the keys: Enter on a focused button would press it again.
        heading.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        heading.setStyleSheet("text-align: left; border: none; padding: 4px;")
        if inside is not None:
            inside.setContentsMargins(0, 0, 0, 0)
            inside.setSpacing(4)
        self.collapse()

    def expand(self, animate: bool = False) -> None:
        """See superqt; the content may grow and shrink afterwards."""
        super().expand(animate=False)
        content = self.content()
        content.setMaximumHeight(NO_LIMIT)
        content.setVisible(True)
        self.setText(f"{OPEN}  {self._title}")

    def collapse(self, animate: bool = False) -> None:
        """See superqt; no gap is left below the heading."""
        super().collapse(animate=False)
        self.content().setVisible(False)
        self.setText(f"{CLOSED}  {self._title}")
