"""The figures of an evaluation: per source, then the mean of the sources, never pooled."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from napari_pisam.evaluate.clicks import ClickProtocol, ObjectScores
from napari_pisam.evaluate.table import figure, markdown_table
from napari_pisam.metrics import noc

WORSE = 0.01
"""A correction that lowers the IoU by more has made the mask worse."""
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """From low to high."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """Means over the objects of one source, or over sources; see ObjectScores.

    training: False for a source that is only measured and is part of no mean. noc: mean number of
    clicks until each of the protocol's targets. worse: share of the correction clicks after which
    the IoU was lower by more than WORSE; None without corrections. click_within, box_within: 95 %
    of the means of as many images drawn anew (bootstrap); None for a mean of sources.
    window_ratio: geometric mean; window_off: the share of objects whose window was less than half
    or more than twice as large as it should be.
    """

    name: str
    training: bool
    images: int
    objects: int
    click: float
    corrected: tuple[float, ...]
    noc: tuple[float, ...]
    worse: float | None
    click_within: Interval | None
    box_within: Interval | None
    box: float
    box_low: float
    boundary: float | None
    boundary_low: float | None
    window_ratio: float
    window_off: float
    sized_click: float | None


@dataclass(frozen=True, slots=True)
class ClickReport:
    """What `evaluate` returns.

    sources: in the order of their list. mean: over the sources that train, each with the same
    weight; None without one. objects: everything measured. left_out: sources without a validation
    object. seconds: of the predictions.
    """

    model: str
    device: str
    dtype: str
    protocol: ClickProtocol
    sources: tuple[SourceFigures, ...]
    mean: SourceFigures | None
    objects: tuple[ObjectScores, ...]
    left_out: tuple[str, ...]
    seconds: float

    def as_json(self) -> str:
        """All of it, the objects included."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    def write_json(self, path: Path) -> None:
        """`as_json` into a file, whole or not at all."""
        beside = path.with_name(path.name + ".part")
        beside.write_text(self.as_json(), "utf-8")
        os.replace(beside, path)

    def table(self) -> str:
        """The figures as Markdown: sources, their mean, then the sources that are only measured."""
        sized = any(s.sized_click is not None for s in self.sources)
        header = ["source", "images", "n", "click"]
        header += [f"+{i + 1}" for i in range(self.protocol.corrections)]
        header += ["sized"] if sized else []
        header += ["box", "low", "boundary", "low", "window", "off"]
        rows = [_row(s, sized=sized) for s in self.sources if s.training]
        rows += [_row(self.mean, sized=sized)] if self.mean is not None else []
        rows += [_row(s, sized=sized) for s in self.sources if not s.training]
        parts = [markdown_table(header, rows), self._clicks_table(), self._legend()]
        if self.left_out:
            parts.append(f"No validation object in: {', '.join(self.left_out)}.")
        return "\n\n".join(parts)

    def _clicks_table(self) -> str:
        """Clicks to quality, clicks that made it worse, and how sure the means are."""
        targets = [f"NoC{100 * t:.0f}" for t in self.protocol.targets]
        header = ["source", *targets, "worse", "click, 95 %", "box, 95 %"]
        means = [self.mean] if self.mean is not None else []
        shown = [s for s in self.sources if s.training] + means
        shown += [s for s in self.sources if not s.training]
        return markdown_table(header, [_clicks_row(s) for s in shown])

    def _legend(self) -> str:
        n = len(self.objects)
        objects = "1 object" if n == 1 else f"{n} objects"
        return (
            f"{self.model} on {self.device}, {self.dtype}; {objects} of at least "
            f"{self.protocol.least_area} pixels in {self.seconds:.0f} s "
            f"({self.seconds / max(n, 1):.1f} s each). IoU from one click at the most interior "
            "point, after each correction click, and from the tight box; boundary: boundary IoU of "
            "the box's mask where the truth's edges are precise; low: of its low-resolution mask. "
            f"NoC: clicks to an IoU of so many per cent, at most {self.protocol.corrections + 1}; "
            f"worse: share of corrections after which the IoU was lower by more than {WORSE:g}; "
            "95 %: of the means of as many images drawn anew. "
            "window: side of the window found from the click over the one that the object's size "
            "calls for; off: share of objects where that is below 1/2 or above 2. "
            "Sources below the mean are not in it."
        )


def _row(s: SourceFigures, *, sized: bool) -> list[str]:
    given = [figure(s.sized_click)] if sized else []
    values = [s.click, *s.corrected]
    return [
        s.name if s.training else f"{s.name} (only measured)",
        str(s.images),
        str(s.objects),
        *[figure(v) for v in values],
        *given,
        *[figure(v) for v in (s.box, s.box_low, s.boundary, s.boundary_low)],
        figure(s.window_ratio, 2),
        figure(s.window_off, 2),
    ]


def _clicks_row(s: SourceFigures) -> list[str]:
    within = [f"{i.low:.2f} to {i.high:.2f}" if i else "" for i in (s.click_within, s.box_within)]
    name = s.name if s.training else f"{s.name} (only measured)"
    return [name, *[figure(n, 2) for n in s.noc], figure(s.worse, 2), *within]


def source_figures(
    name: str, objects: Sequence[ObjectScores], protocol: ClickProtocol, *, training: bool
) -> SourceFigures:
    """The means over the objects of one source, of which there is at least one."""
    ratios = [o.window_ratio for o in objects]
    tries = protocol.corrections + 1
    counts = [
        _mean(noc((o.click, *o.corrected), target=target, at_most=tries) for o in objects)
        for target in protocol.targets
    ]
    return SourceFigures(
        name=name,
        training=training,
        images=len({o.image for o in objects}),
        objects=len(objects),
        click=_mean(o.click for o in objects),
        corrected=tuple(map(_mean, zip(*(o.corrected for o in objects), strict=True))),
        noc=tuple(counts),
        worse=_worse(objects),
        click_within=_within([(o.image, o.click) for o in objects]),
        box_within=_within([(o.image, o.box) for o in objects]),
        box=_mean(o.box for o in objects),
        box_low=_mean(o.box_low for o in objects),
        boundary=_mean_known(o.boundary for o in objects),
        boundary_low=_mean_known(o.boundary_low for o in objects),
        window_ratio=math.exp(_mean(math.log(r) for r in ratios)),
        window_off=_mean(float(not 0.5 <= r <= 2) for r in ratios),
        sized_click=_mean_known(o.sized_click for o in objects),
    )


def mean_of_sources(sources: Sequence[SourceFigures]) -> SourceFigures | None:
    """The mean of those that train, each with weight 1 whatever its number of objects."""
    own = [s for s in sources if s.training]
    if not own:
        return None
    return SourceFigures(
        name=f"mean of {len(own)} source{'s' * (len(own) > 1)}",
        training=True,
        images=sum(s.images for s in own),
        objects=sum(s.objects for s in own),
        click=_mean(s.click for s in own),
        corrected=tuple(map(_mean, zip(*(s.corrected for s in own), strict=True))),
        noc=tuple(map(_mean, zip(*(s.noc for s in own), strict=True))),
        worse=_mean_known(s.worse for s in own),
        click_within=None,
        box_within=None,
        box=_mean(s.box for s in own),
        box_low=_mean(s.box_low for s in own),
        boundary=_mean_known(s.boundary for s in own),
        boundary_low=_mean_known(s.boundary_low for s in own),
        window_ratio=math.exp(_mean(math.log(s.window_ratio) for s in own)),
        window_off=_mean(s.window_off for s in own),
        sized_click=_mean_known(s.sized_click for s in own),
    )


def _worse(objects: Sequence[ObjectScores]) -> float | None:
    """The share of the corrections that made their mask worse; those of a perfect one are none."""
    steps = [
        before - after
        for o in objects
        for before, after in pairwise((o.click, *o.corrected))
        if before < 1
    ]
    return _mean(float(lost > WORSE) for lost in steps) if steps else None


def _within(values: Sequence[tuple[str, float]]) -> Interval:
    """95 % of the means when images are drawn anew, each with all of its objects.

    values: (image, figure) of each object.
    """
    images = {image: [v for i, v in values if i == image] for image, _ in values}
    sums = np.array([(sum(own), len(own)) for own in images.values()], np.float64)
    rng = np.random.default_rng(0)
    drawn = sums[rng.integers(len(sums), size=(_RESAMPLES, len(sums)))].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    return Interval(float(low), float(high))


def _mean(values: Iterable[float]) -> float:
    found: list[Any] = list(values)
    return math.fsum(found) / len(found)


def _mean_known(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _mean(known) if known else None
