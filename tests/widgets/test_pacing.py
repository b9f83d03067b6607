"""Work in pieces: never two of them, nor one and somebody's wait, between two pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_pisam.widgets.pacing import at_once, bit_by_bit
from tests.widgets.hands import until


class Paper(QWidget):
    """Notes each time that it is painted."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt."""
        self.seen.append("painted")

    def steps(self) -> Iterator[None]:
        """Each changes what is to be seen."""
        for number in range(3):
            self.seen.append(f"step {number}")
            self.update()
            yield


def test_what_a_piece_changes_is_painted_before_the_next_begins(qtbot: Any) -> None:
    paper = Paper()
    qtbot.addWidget(paper)
    paper.show()
    until(lambda: "painted" in paper.seen, "the first picture")
    for _ in range(10):
        QApplication.processEvents()
    paper.seen.clear()
    bit_by_bit(paper.steps())
    assert paper.seen == ["step 0"], "the first piece is done at once, the others are not"
    until(lambda: paper.seen.count("painted") == 3, "three pictures")
    assert paper.seen == ["step 0", "painted", "step 1", "painted", "step 2", "painted"]


def test_where_there_is_no_window_all_is_done_at_once() -> None:
    done: list[int] = []

    def steps() -> Iterator[None]:
        for number in range(3):
            done.append(number)
            yield

    at_once(steps())
    assert done == [0, 1, 2]
