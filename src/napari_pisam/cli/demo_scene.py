"""The demo's image, the prompts on it, and the files of its results. Imports no torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_pisam.cli.demo_overlay import demo_overlay_of
from napari_pisam.cli.opened import OpenImage, paint
from napari_pisam.cli.prompts_csv import ObjectPrompt, prompts_table
from napari_pisam.export.atomic import replacing
from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.export.png import write_png
from napari_pisam.prompts import Box, Click, Prompt

if TYPE_CHECKING:
    from napari_pisam.cli.cutting import Cutter
    from napari_pisam.predict.results import SegmentResult

IMAGE_IN_WORDS = "Greek coins from Pompeii, the image that scikit-image calls coins"
IMAGE_FILE = "image.png"
PROMPTS_FILE = "prompts.csv"
LABELS_FILE = "labels.tif"
OVERLAY_FILE = "overlay.png"


@dataclass(frozen=True, slots=True)
class DemoObject:
    """One object of the image: its name and its prompt."""

    name: str
    given: ObjectPrompt

    @property
    def in_words(self) -> str:
        """Its prompt for a table."""
        prompt = self.given.prompt
        parts = ["box"] if prompt.box is not None else []
        for count, what in ((len(prompt.points), "point"), (len(prompt.corrections), "correction")):
            if count:
                parts.append(f"{count} {what}{'s' if count > 1 else ''}")
        return ", ".join(parts)


def _object(number: int, name: str, prompt: Prompt) -> DemoObject:
    return DemoObject(name, ObjectPrompt(number, prompt))


OBJECTS = (
    _object(1, "coin", Prompt(points=(Click(54, 44),))),
    _object(2, "coin", Prompt(points=(Click(51, 156),))),
    _object(3, "coin", Prompt(box=Box(15, 304, 72, 365), corrections=(Click(47, 312, True),))),
    _object(4, "coin", Prompt(points=(Click(127, 103),))),
    _object(5, "coin", Prompt(box=Box(94, 245, 144, 296))),
    _object(6, "coin", Prompt(points=(Click(194, 213),))),
    _object(
        7,
        "coin",
        Prompt(
            points=(Click(195, 275),), corrections=(Click(207, 259, True), Click(215, 279, True))
        ),
    ),
    _object(8, "coin", Prompt(box=Box(155, 314, 218, 380), corrections=(Click(196, 322, True),))),
    _object(9, "coin", Prompt(box=Box(232, 17, 289, 75))),
    _object(10, "coin", Prompt(points=(Click(262, 172),))),
    _object(11, "coin", Prompt(box=Box(239, 275, 289, 327), corrections=(Click(274, 282, True),))),
    _object(12, "coin", Prompt(points=(Click(268, 359),), corrections=(Click(258, 348, True),))),
)
"""Chosen by looking at the image; the first coordinate counts rows."""


def image_path() -> Path:
    """Where scikit-image keeps the image. Raises ImportError when scikit-image is missing."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'skimage'")
    return Path(found.submodule_search_locations[0]) / "data" / "coins.png"


@dataclass(frozen=True, slots=True)
class Change:
    """What one correction did. added, removed: pixels of the mask; seconds: it alone."""

    click: Click
    added: int
    removed: int
    seconds: float


@dataclass(frozen=True, eq=False)
class DemoResult:
    """One object's masks: before any correction, then after each."""

    object: DemoObject
    steps: tuple[SegmentResult, ...]

    @property
    def last(self) -> SegmentResult:
        """The mask that is kept."""
        return self.steps[-1]

    def changes(self) -> Iterator[Change]:
        """What each correction did."""
        corrections = self.object.given.prompt.corrections
        for click, before, after in zip(corrections, self.steps, self.steps[1:], strict=False):
            old, new = before.mask, after.mask
            added, removed = int((new & ~old).sum()), int((old & ~new).sum())
            yield Change(click, added, removed, after.seconds)


def segment_object(cutter: Cutter, one: DemoObject) -> DemoResult:
    """Segment one object as a person would: a mask first, then one correction after the other."""
    prompt = one.given.prompt
    steps = [cutter.cut(replace(prompt, corrections=()))]
    for count in range(1, len(prompt.corrections) + 1):
        corrected = replace(prompt, corrections=prompt.corrections[:count])
        steps.append(cutter.cut(corrected, window=steps[0].window))
    return DemoResult(one, tuple(steps))


def write_all(folder: Path, image: OpenImage, results: Sequence[DemoResult]) -> dict[Path, str]:
    """Write the demo's files; returns what each of them is. Raises SaveError."""
    masks = {one.object.given.id: one.last for one in results}
    labels = image.empty_labels()
    for number, result in masks.items():
        paint(labels, number, result.placed)
    shown = image.shown()
    write_png(folder / IMAGE_FILE, shown)
    with replacing(folder / PROMPTS_FILE) as file:
        file.write(prompts_table([one.object.given for one in results]).encode())
    write_labels(folder / LABELS_FILE, labels)
    write_png(folder / OVERLAY_FILE, demo_overlay_of(shown, masks))
    return {
        folder / IMAGE_FILE: "the image",
        folder / PROMPTS_FILE: "the prompts",
        folder / LABELS_FILE: "the labels: each object's number where it is",
        folder / OVERLAY_FILE: "the objects and the prompts over the image",
    }
