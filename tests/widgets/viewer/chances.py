"""What happens how often in the test of random actions, and the numbers that an action may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

HEIGHT, WIDTH = 60, 80

# How often each action is drawn: most of the time people segment.
WEIGHTS = {
    "make_an_object": 8,
    "click": 4,
    "answers_arrive": 4,
    "keep_or_drop": 2,
    "undo_or_redo": 4,
    "box": 1,
    "refine": 2,
    "object_list": 3,
    "options": 1,
    "add_image": 1,
    "add_labels": 1,
    "change_a_layer": 8,
    "delete_a_layer": 3,
    "delete_all_layers": 1,
    "move_sliders": 3,
    "points_by_hand": 4,
    "brush_by_hand": 4,
    "choose_image": 1,
    "choose_target": 1,
    "put_back": 2,
    "switch": 1,
    "an_answer_fails": 1,
    "close_and_open_again": 1,
    "go_to_the_other_viewer": 2,
}


@dataclass(frozen=True)
class Chance:
    """The numbers that an action may use."""

    y: int
    x: int
    pick: int
    to: int
    flag: bool

    def of(self, things: Any) -> Any:
        """One of them, or None."""
        listed = list(things)
        return listed[self.pick % len(listed)] if listed else None


chances = st.builds(
    Chance,
    y=st.integers(-2, HEIGHT + 1),
    x=st.integers(-2, WIDTH + 1),
    pick=st.integers(0, 50),
    to=st.integers(0, 50),
    flag=st.booleans(),
)
# Undo, deleting from the list, the policies that overwrite, a brush, and opening anew; nothing else
# may take a pixel from a kept object.
MAY_TAKE_AWAY = {
    "brush_by_hand",
    "make_an_object",
    "answers_arrive",
    "keep_or_drop",
    "undo_or_redo",
    "object_list",
    "close_and_open_again",
}
names = st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)])
