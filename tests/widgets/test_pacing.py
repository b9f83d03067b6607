"""Work in pieces: never two of them, nor one and somebody's wait, between two pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_pisam.widgets.qt.pacer import Pacer
from napari_pisam.widgets.viewer.pacing import at_once
from tests.widgets.gui_user import until
from tests.widgets.paper import Paper


def test_what_a_piece_changes_is_painted_before_the_next_begins(paper: Paper) -> None:
    pacer = Pacer()
    pacer(paper.steps())
    assert paper.seen == ["step 0"], "the first piece is done at once, the others are not"
    until(lambda: paper.seen.count("painted") == 3, "three pictures")
    assert paper.seen == ["step 0", "painted", "step 1", "painted", "step 2", "painted"]


def test_two_works_take_turns_and_no_two_pieces_share_a_picture(paper: Paper) -> None:
    pacer = Pacer()
    pacer(paper.steps("a"))
    pacer(paper.steps("b"))
    until(lambda: paper.seen.count("painted") == 5, "five pictures")
    begun, later = paper.seen[:2], paper.seen[2:]
    assert begun == ["a 0", "b 0"], "the first pieces are done at once"
    assert later[1::2] == ["a 1", "b 1", "a 2", "b 2"]
    assert set(later[::2]) == {"painted"}


def test_what_is_begun_in_the_turn_of_a_piece_is_painted_before_that_piece(paper: Paper) -> None:
    """As a key does that is pressed while pieces wait: its picture is not theirs too."""
    pacer = Pacer()
    turn, next_turn = QTimer(paper), QTimer(paper)
    for clock in (turn, next_turn):
        clock.setSingleShot(True)
    # Two turns from now, just before the first work's second piece.
    turn.timeout.connect(lambda: next_turn.start(0))
    next_turn.timeout.connect(lambda: pacer(paper.steps("key")))
    turn.start(0)
    pacer(paper.steps("a"))
    until(lambda: "a 1" in paper.seen, "the second piece")
    assert paper.seen[:5] == ["a 0", "painted", "key 0", "painted", "a 1"]


def test_while_a_picture_is_put_off_no_piece_is_done(paper: Paper) -> None:
    put_off = [True]
    pacer = Pacer(picture_waits=lambda: put_off[0])
    pacer(paper.steps())
    for _ in range(20):
        QApplication.processEvents()
    assert paper.seen == ["step 0", "painted"]
    put_off[0] = False
    until(lambda: "step 2" in paper.seen, "the last step")


def test_the_window_listens_between_two_pieces(paper: Paper) -> None:
    ticks: list[str] = paper.seen
    clock = QTimer()
    clock.timeout.connect(lambda: ticks.append("heard"))
    clock.start(0)
    pacer = Pacer()
    pacer(paper.steps())
    until(lambda: paper.seen.count("painted") == 3, "three pictures")
    clock.stop()
    for number in (1, 2):
        between = paper.seen[
            paper.seen.index(f"step {number - 1}") : paper.seen.index(f"step {number}")
        ]
        assert "heard" in between


def test_a_piece_that_fails_does_not_stop_the_others(paper: Paper, qtbot: Any) -> None:
    def failing() -> Iterator[None]:
        yield
        raise ValueError("no")

    pacer = Pacer()
    pacer(failing())
    pacer(paper.steps())
    with qtbot.capture_exceptions() as raised:
        until(lambda: "step 2" in paper.seen, "the last step")
    assert [str(error) for _, error, _ in raised] == ["no"]
    pacer(paper.steps("again"))
    until(lambda: "again 2" in paper.seen, "a work begun later")


def test_where_there_is_no_window_all_is_done_at_once() -> None:
    done: list[int] = []

    def steps() -> Iterator[None]:
        for number in range(3):
            done.append(number)
            yield

    at_once(steps())
    assert done == [0, 1, 2]
