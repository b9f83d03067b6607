"""A window that tells when it was painted, and steps of work that it shows."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QWidget


class Paper(QWidget):
    """Notes each time that it is painted."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt."""
        self.seen.append("painted")

    def steps(self, name: str = "step") -> Iterator[None]:
        """Each changes what is to be seen."""
        for number in range(3):
            self.seen.append(f"{name} {number}")
            self.update()
            yield
