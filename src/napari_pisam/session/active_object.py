"""The object that is being made: its prompt, its newest mask, and where its next window lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_pisam.geometry import Window
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click, Prompt


@dataclass(frozen=True, slots=True, eq=False)
class ActiveObject:
    """The object that is being made.

    id: its own on its plane, for as long as it is active. result: the newest mask, None before the
    first. label, store: the label it had when it was kept before, and where. object_size: the
    typical size that its windows are chosen by, image pixels. started: when the person began (the
    session's clock, seconds), None before the first click.
    """

    id: int
    prompt: Prompt = field(default_factory=Prompt)
    result: SegmentResult | None = None
    label: int | None = None
    store: str | None = None
    object_size: float | None = None
    started: float | None = None

    @property
    def untouched(self) -> bool:
        """Whether it has no prompt of any kind."""
        p = self.prompt
        return not (p.points or p.corrections) and p.box is None and p.mask is None

    @property
    def settled(self) -> bool:
        """Whether its result is the one to its prompt."""
        return self.result is not None and self.result.prompt == self.prompt

    def signed(self, corrections: tuple[Click, ...]) -> tuple[Click, ...]:
        """The corrections, the last one with its sign where the mask before it is known."""
        result = self.result
        if result is None or not corrections or corrections[-1].positive is not None:
            return corrections
        *before, last = corrections
        if replace(self.prompt, corrections=tuple(before)) != result.prompt:
            return corrections
        return (*before, Click(last.y, last.x, not result.covers(last)))

    @property
    def next_window(self) -> Window | None:
        """The window of the newest mask while only corrections inside it differ, else None.

        The window so depends on the prompt alone, never on the way by which it was reached.
        """
        result, prompt = self.result, self.prompt
        if result is None:
            return None
        known = result.prompt
        if (known.points, known.box, known.mask) != (prompt.points, prompt.box, prompt.mask):
            return None
        if not all(result.window.contains(click) for click in prompt.corrections):
            return None
        return result.window
