"""An evaluation from a list of sources to a report, one object after the other."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from napari_pisam.datasets.labelled import (
    LabelledDataError,
    SourceConfig,
    find_pairs,
    load_sources,
    read_label_map,
    split,
)
from napari_pisam.evaluate.clicks import (
    ClickProtocol,
    EvaluatedImage,
    ObjectScores,
    Target,
    measure_object,
    segmenter_of,
)
from napari_pisam.evaluate.report import ClickReport, mean_of_sources, source_figures
from napari_pisam.evaluate.subset import Targets, choose, image_name
from napari_pisam.images.files import open_source
from napari_pisam.jobs import Progress, yielding
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.predictor import Predictor, load_predictor
from napari_pisam.predict.segmenter import Segmenter

USUAL = ClickProtocol()


def evaluate(
    sources_toml: Path | str,
    *,
    data_root: Path,
    model: str | Path | Predictor = "pisam-tiny",
    protocol: ClickProtocol = USUAL,
    only: Sequence[str] = (),
) -> Generator[Progress, None, ClickReport]:
    """Measure a model on the validation images of every source of a list.

    sources_toml: `[[source]]` tables, as for training. data_root: what their folders are relative
    to. model: of the zoo, a weights file, or a predictor. protocol: what is measured. only: names
    of sources; empty for all. Yields how many objects are done and which source is measured;
    closing the generator cancels. Returns the report. Raises LabelledDataError, ImageError and
    CheckpointError, one sentence each.
    """
    wanted = chosen_sources(sources_toml, only)
    predictor = load_predictor(model) if isinstance(model, (str, Path)) else model
    report = yield from measure(predictor, wanted, data_root, protocol=protocol)
    return report


def chosen_sources(path: Path | str, only: Sequence[str] = ()) -> list[SourceConfig]:
    """The sources of a list, or those of them that are named.

    Raises LabelledDataError for a list that cannot be read and for a name that is not in it.
    """
    sources = list(load_sources(path))
    unknown = sorted(set(only) - {s.name for s in sources})
    if unknown:
        names = ", ".join(s.name for s in sources)
        raise LabelledDataError(f"There is no source {unknown[0]!r}; there are {names}.")
    return [s for s in sources if not only or s.name in only]


def measure(
    predictor: Predictor,
    sources: Sequence[SourceConfig],
    data_root: Path,
    *,
    protocol: ClickProtocol,
) -> Generator[Progress, None, ClickReport]:
    """`evaluate` with everything at hand, and with any protocol."""
    chosen: list[tuple[SourceConfig, list[Targets]]] = []
    for source in sources:
        yield Progress(0, None, source.name)
        chosen.append((source, _targets(source, data_root, protocol)))
    total = sum(len(t.objects) for _, targets in chosen for t in targets)
    segmenter, found = segmenter_of(predictor), list[ObjectScores]()
    for source, targets in chosen:
        for item in targets:
            for scores in _image_scores(segmenter, source, item, protocol=protocol):
                if scores is not None:
                    found.append(scores)
                yield Progress(len(found), total, source.name)
    return _report(predictor, sources, protocol, found=found)


def _targets(source: SourceConfig, root: Path, protocol: ClickProtocol) -> list[Targets]:
    _, held_back = split(find_pairs(root, source), source)
    return choose(
        held_back,
        per_image=protocol.per_image,
        per_source=protocol.per_source,
        least_area=protocol.least_area,
    )


def _image_scores(
    segmenter: Segmenter, source: SourceConfig, item: Targets, *, protocol: ClickProtocol
) -> Generator[ObjectScores | None, None, None]:
    """The scores of each object of an image; None between their stages."""
    pair, name = item.pair, image_name(item.pair)
    image = EvaluatedImage(open_source(pair.image_path), f"{source.name}/{name}")
    labels = read_label_map(pair.mask_paths[0], pair.kind, protocol.least_area).labels
    if labels.shape != (image.source.height, image.source.width):
        raise LabelledDataError(
            f"{source.name}: {name} has {image.source.height} x {image.source.width} pixels and "
            f"its mask {labels.shape[0]} x {labels.shape[1]}: they should be of one size."
        )
    for chosen in item.objects:
        mask = labels[chosen.y0 : chosen.y1, chosen.x0 : chosen.x1] == chosen.id
        placed = PlacedMask(chosen.y0, chosen.x0, np.ascontiguousarray(mask))
        target = Target(source.name, name, chosen.id, placed, source.boundary)
        yield (
            yield from yielding(None, measure_object(segmenter, image, target, protocol=protocol))
        )


def _report(
    predictor: Predictor,
    sources: Sequence[SourceConfig],
    protocol: ClickProtocol,
    *,
    found: Sequence[ObjectScores],
) -> ClickReport:
    own = {s.name: [o for o in found if o.source == s.name] for s in sources}
    figures = tuple(
        source_figures(s.name, own[s.name], protocol, training=s.training)
        for s in sources
        if own[s.name]
    )
    return ClickReport(
        model=predictor.name,
        device=predictor.device,
        dtype=predictor.dtype,
        protocol=protocol,
        sources=figures,
        mean=mean_of_sources(figures),
        objects=tuple(found),
        left_out=tuple(s.name for s in sources if not own[s.name]),
        seconds=sum(o.seconds for o in found),
    )
