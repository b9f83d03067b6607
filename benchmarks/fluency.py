"""How long the window of a viewer stood still in one run, and whether that is within the goal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

OPENING_MAX_SECONDS = 1.0
LONGEST_OVER_SECONDS = 0.03
"""The longest stall is at most so much longer than the longest repaint of napari alone."""
MOST_OVER_SECONDS = 0.015
"""And in this share of the clicks no stall is longer than that by more than this."""
MOST_PERCENT = 95
STALL_SECONDS = 0.02
"""Shorter pauses are no stall."""


@dataclass(slots=True)
class Fluency:
    """What was seen of the window, seconds.

    stalls: every time between two beats that was longer than 20 ms, with what went on. of_clicks:
    the longest time between two beats of each click, from one click to the next. painted:
    from each click to the frame that shows its mask; first: those clicks alone that begin an
    object. worked: from each click to the result.
    opened: from choosing the widget to its first picture, its modules being imported already.
    alone, alone_busy: repaints of the window by napari alone, see `repaints`.
    stacks: where the window's thread was when it stood still, the most frequent first, if asked.
    """

    clicks: int = 0
    stalls: list[tuple[float, str]] = field(default_factory=list)
    of_clicks: list[float] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    opened: float = 0.0
    alone: list[float] = field(default_factory=list)
    alone_busy: list[float] = field(default_factory=list)
    stacks: list[tuple[int, str]] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest stall of all clicks."""
        return max(self.of_clicks, default=0.0)

    @property
    def most(self) -> float:
        """The stall that 95 % of the clicks stay below or at."""
        return float(np.percentile(self.of_clicks, MOST_PERCENT, method="higher"))

    @property
    def repaint(self) -> float:
        """napari's own longest repaint, at rest or while the model computes."""
        return max(*self.alone, *self.alone_busy)

    @property
    def holds(self) -> tuple[bool, bool]:
        """Whether the two halves of the goal hold: the longest stall, and most of them."""
        return (
            self.longest <= self.repaint + LONGEST_OVER_SECONDS,
            self.most <= self.repaint + MOST_OVER_SECONDS,
        )


def passed(holds: bool) -> str:
    """A verdict in a word."""
    return "pass" if holds else "FAIL"


def sentences(seen: Fluency) -> list[str]:
    """What was seen, for people."""
    idle, busy = (np.array(found) * 1000 for found in (seen.alone, seen.alone_busy))
    own, (longest, most) = 1000 * seen.repaint, seen.holds
    worst = Counter(what for s, what in seen.stalls if s > seen.repaint + MOST_OVER_SECONDS)
    where = ", ".join(f"{what} {n}" for what, n in worst.most_common()) or "none"
    return [
        f"napari alone, one layer changed: drawn again within {np.median(idle):.0f} ms (median; "
        f"{idle.max():.0f} ms at most); while the model computes {np.median(busy):.0f} ms "
        f"({busy.max():.0f} ms at most).",
        f"The widget opens within {seen.opened:.2f} s of a warm import (wanted: "
        f"<= {OPENING_MAX_SECONDS:g} s).",
        f"{seen.clicks} clicks with the mouse; the longest stall of the window was "
        f"{1000 * seen.longest:.0f} ms (wanted: <= {own:.0f} + "
        f"{1000 * LONGEST_OVER_SECONDS:.0f} ms): {passed(longest)}.",
        f"{MOST_PERCENT} % of the clicks had no stall longer than {1000 * seen.most:.0f} ms "
        f"(wanted: <= {own:.0f} + {1000 * MOST_OVER_SECONDS:.0f} ms): {passed(most)}.",
        f"Stalls beyond that: {where}.",
        f"From click to result {1000 * float(np.median(seen.worked)):.0f} ms, to painted mask "
        f"{1000 * float(np.median(seen.painted)):.0f} ms (medians); of a click that begins an "
        f"object {1000 * float(np.median(seen.first)):.0f} ms.",
    ]
