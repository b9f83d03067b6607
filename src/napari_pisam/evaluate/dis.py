"""The six measures of dichotomous image segmentation, beside published figures.

As published: every image is squeezed to the model's square, the object's box is the prompt, the
logits are resized to the image's size and compared there with the whole mask.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.datasets.labelled import (
    PUBLISHED,
    LabelledDataError,
    LabelledImage,
    find_pairs,
    present,
    read_label_map,
)
from napari_pisam.evaluate.run import chosen_sources
from napari_pisam.evaluate.subset import image_name
from napari_pisam.evaluate.table import figure, markdown_table
from napari_pisam.geometry import Window, rescaled
from napari_pisam.images.intensity import IntensityWindow, intensity_window, to_rgb8
from napari_pisam.images.read import read_image
from napari_pisam.images.source import ArraySource
from napari_pisam.jobs import Progress
from napari_pisam.predict.predictor import Predictor, load_predictor
from napari_pisam.prompts import Box, Prompt

PLAIN_RGB = IntensityWindow((0.0,) * 3, (255.0,) * 3)
"""8-bit images go to the model unscaled, as published."""
PUBLISHED_FIGURES = "dis5k_published.csv"


@dataclass(frozen=True, slots=True)
class DisFigures:
    """The measures of one dataset, as PySODMetrics defines them.

    max_f, mean_e: maximum and mean over thresholds of the F- and E-measure, averaged over images;
    weighted_f, mae, s_measure, hce (human correction effort, clicks; None where
    it was not published): means over images.
    """

    name: str
    images: int
    max_f: float
    weighted_f: float
    mae: float
    s_measure: float
    mean_e: float
    hce: float | None = None


@dataclass(frozen=True, slots=True)
class DisReport:
    """What `evaluate_dis` returns. left_out: images whose mask shows no object."""

    model: str
    sources: tuple[DisFigures, ...]
    left_out: tuple[str, ...]

    def as_json(self) -> str:
        """The figures alone."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    def table(self) -> str:
        """Markdown: for each dataset ours first, then what has been published for it."""
        published = published_figures()
        header = ["dataset", "model", "images", "max F", "weighted F", "MAE", "S", "mean E", "HCE"]
        rows: list[list[str]] = []
        for own in self.sources:
            name = own.name.replace("DIS5K-", "DIS-")
            others = published.get(name, {})
            ours = replace(own, name=name) if others else own
            rows.append(_row(ours, f"{self.model} (measured)", str(own.images)))
            rows += [_row(f, method, "") for method, f in others.items()]
        parts = [markdown_table(header, rows)]
        if self.left_out:
            parts.append(f"Left out, because the mask shows no object: {', '.join(self.left_out)}.")
        return "\n\n".join(parts)


def _row(f: DisFigures, method: str, images: str) -> list[str]:
    shares = (f.max_f, f.weighted_f, f.mae, f.s_measure, f.mean_e)
    return [f.name, method, images, *(figure(v) for v in shares), figure(f.hce, 0)]


def published_figures() -> dict[str, dict[str, DisFigures]]:
    """The published table: dataset -> method -> figures (images is 0: not published)."""
    text = resources.files("napari_pisam.evaluate").joinpath(PUBLISHED_FIGURES).read_text("utf-8")
    values: dict[str, dict[str, dict[str, float]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        dataset, measure = row.pop("dataset"), row.pop("metric")
        for method, value in row.items():
            values.setdefault(dataset, {}).setdefault(method, {})[measure] = float(value)
    return {
        dataset: {m: DisFigures(dataset, 0, **known) for m, known in methods.items()}
        for dataset, methods in values.items()
    }


class DisMeasures:
    """Accumulates the six measures over images. Raises LabelledDataError without PySODMetrics."""

    def __init__(self) -> None:
        try:
            import py_sod_metrics as sod
        except ImportError:
            raise LabelledDataError(
                "The DIS measures need PySODMetrics: python -m pip install 'napari-pisam[train]'."
            ) from None
        self._f = sod.FmeasureV2({"f": sod.FmeasureHandler(True, False)})
        self._weighted, self._mae = sod.WeightedFmeasure(), sod.MAE()
        self._s, self._e = sod.Smeasure(), sod.Emeasure()
        self._hce = sod.HumanCorrectionEffortMeasure()
        self.images = 0

    def add(self, prediction: NDArray[np.uint8], truth: NDArray[np.bool_]) -> None:
        """One image: probabilities times 255, and its mask, both (H, W)."""
        mask = truth.astype(np.uint8) * 255
        for measure in (self._f, self._weighted, self._mae, self._s, self._e, self._hce):
            measure.step(pred=prediction, gt=mask)
        self.images += 1

    def figures(self, name: str) -> DisFigures:
        """The measures of what was added, at least one image."""
        return DisFigures(
            name=name,
            images=self.images,
            max_f=float(self._f.get_results()["f"]["dynamic"].max()),
            weighted_f=float(self._weighted.get_results()["wfm"]),
            mae=float(self._mae.get_results()["mae"]),
            s_measure=float(self._s.get_results()["sm"]),
            mean_e=float(self._e.get_results()["em"]["curve"].mean()),
            hce=float(self._hce.get_results()["hce"]),
        )


def evaluate_dis(
    sources: Path | str = PUBLISHED,
    *,
    data_root: Path,
    model: str | Path | Predictor = "pisam-tiny",
    per_source: int | None = None,
    only: Sequence[str] = (),
) -> Generator[Progress, None, DisReport]:
    """Measure a model on datasets of images with one mask each.

    sources: a TOML file, or "published" for the data sets that Pi-SAM was published with. only:
    names of sources; empty for those that no training reads and that are under data_root.
    per_source: the first ones of each by name; None for all. The rest, and errors, as `evaluate`.
    """
    wanted = chosen_sources(sources, only)
    if not only:
        wanted = present(data_root, [s for s in wanted if not s.training])
    if not wanted:
        raise LabelledDataError(
            f"None of the data sets to be measured is under {data_root}: check the data root."
        )
    predictor = load_predictor(model) if isinstance(model, (str, Path)) else model
    pairs = [(s.name, find_pairs(data_root, s)[:per_source]) for s in wanted]
    total, done = sum(len(p) for _, p in pairs), 0
    figures, left_out = list[DisFigures](), list[str]()
    for name, own in pairs:
        measures = DisMeasures()
        for pair in own:
            yield Progress(done, total, name)
            done += 1
            rgb8, truth = read_pair(pair)
            if truth.any():
                measures.add(squeezed_probabilities(predictor, rgb8, truth), truth)
            else:
                left_out.append(f"{name} {image_name(pair)}")
        if measures.images:
            figures.append(measures.figures(name))
        yield Progress(done, total, name)
    return DisReport(predictor.name, tuple(figures), tuple(left_out))


def read_pair(pair: LabelledImage) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An image, uint8 (H, W, 3), and its whole mask, bool (H, W).

    8-bit values are kept; others go through the image's percentiles. Raises LabelledDataError
    when the two differ in size.
    """
    pixels = np.asarray(read_image(pair.image_path))
    if pixels.dtype == np.uint8:
        stack = pixels[..., None] if pixels.ndim == 2 else pixels
        rgb8 = np.ascontiguousarray(np.broadcast_to(stack[..., :3], (*stack.shape[:2], 3)))
    else:
        rgb8 = to_rgb8(pixels, intensity_window(ArraySource(pixels)))
    mask = read_label_map(pair.mask_paths[0], "whole", 1).labels > 0
    if mask.shape != rgb8.shape[:2]:
        raise LabelledDataError(
            f"{image_name(pair)} has {rgb8.shape[:2]} pixels and its mask {mask.shape}: "
            "they should be of one size."
        )
    return rgb8, mask


def squeezed_probabilities(
    predictor: Predictor, rgb8: NDArray[np.uint8], truth: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Probabilities times 255 at the image's size, from the box of the mask: uint8 (H, W).

    rgb8: uint8 (H, W, 3). truth: bool (H, W), not empty.
    """
    side = predictor.window_size
    squeezed = _resized(rgb8, side, side)
    embedding = predictor.embed(squeezed, Window(0, 0, side, side), PLAIN_RGB)
    result = predictor.predict(embedding, Prompt(box=squeezed_box(truth, side)))
    logits: NDArray[np.float32] = _resized(result.logits, *truth.shape)
    probabilities = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    return np.rint(probabilities * 255).astype(np.uint8)


def squeezed_box(truth: NDArray[np.bool_], side: int) -> Box:
    """The tight box of a mask in the mask's image squeezed to side x side."""
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    fy, fx = side / truth.shape[0], side / truth.shape[1]
    y0, y1 = (rescaled(edge, fy) for edge in (float(rows[0]) - 0.5, float(rows[-1]) + 0.5))
    x0, x1 = (rescaled(edge, fx) for edge in (float(cols[0]) - 0.5, float(cols[-1]) + 0.5))
    return Box(y0, x0, y1, x1)


def _resized(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(pixels)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    )
