"""How well one object is cut from a click, from a box, and after correction clicks.

The same path as `Predictor.segment` on the whole image; only what that would compute again (the
image's percentiles, a window's embedding) is kept between the prompts.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

from napari_pisam.geometry import Window
from napari_pisam.images.source import ImageSource
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.metrics import boundary_iou, boundary_width, covered, crops_on, iou
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.mask_bands import ImageMask
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.predict.segmenter import Segmenter, WindowModel
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.simulate import most_interior, next_correction

CACHE_BYTES = 128 << 20
PER_IMAGE, PER_SOURCE = 8, 60


@dataclass(frozen=True, slots=True)
class ClickProtocol:
    """What is measured, and on how many objects.

    least_area: pixels. per_image, per_source: at most so many objects. corrections: clicks after
    the first. targets: IoUs whose clicks are counted. tell_size: also measure a click with the
    object's true size given, which leaves out the search for the window.
    """

    least_area: int = 64
    per_image: int = PER_IMAGE
    per_source: int = PER_SOURCE
    corrections: int = 3
    targets: tuple[float, ...] = (0.80, 0.85, 0.90)
    tell_size: bool = False


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """One object's figures; those in 0..1 are IoU with the truth.

    area, span: pixels of the truth and the longer side of its bounding box. click: from one click
    at its most interior point; corrected: after 1, 2, ... correction clicks. box: from its tight
    box; box_low: the same result's low-resolution mask; boundary, boundary_low: boundary IoU of
    these two, None where the truth's edges are not precise. window_ratio: side of the window that
    the click led to over the side that the object's size calls for. sized_click: with the size
    told, None if not asked for. seconds: for all of it.
    """

    source: str
    image: str
    object_id: int
    area: int
    span: int
    click: float
    corrected: tuple[float, ...]
    box: float
    box_low: float
    boundary: float | None
    boundary_low: float | None
    window_ratio: float
    sized_click: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class EvaluatedImage:
    """One image under test. key: its identity among all images of an evaluation."""

    source: ImageSource
    key: str


def segmenter_of(predictor: WindowModel) -> Segmenter:
    """What segments as `Predictor.segment` does, and keeps the embeddings."""
    return Segmenter(predictor, EmbeddingCache(CACHE_BYTES))


def _request(
    image: EvaluatedImage,
    prompt: Prompt,
    *,
    window: Window | None = None,
    object_size: float | None = None,
) -> SegmentRequest:
    return SegmentRequest(
        id=0,
        source=image.source,
        source_key=image.key,
        prompt=prompt,
        window=window,
        object_size=object_size,
    )


@dataclass(frozen=True, slots=True)
class Target:
    """One true object in an image. mask: image pixels, tight. boundary: whether its edge counts."""

    source: str
    image: str
    object_id: int
    mask: PlacedMask
    boundary: bool


def measure_object(
    segmenter: Segmenter, image: EvaluatedImage, target: Target, *, protocol: ClickProtocol
) -> Generator[str, None, ObjectScores]:
    """All figures of one object, after a word for each stage."""
    begun = time.perf_counter()
    truth = target.mask
    span = max(truth.mask.shape)
    by_click = yield from segmenter.steps(_request(image, click_prompt(truth)))
    corrected = yield from _corrected(
        segmenter, image, truth, first=by_click, count=protocol.corrections
    )
    sized = None
    if protocol.tell_size:
        result = yield from segmenter.steps(
            _request(image, click_prompt(truth), object_size=float(span))
        )
        sized = iou(result.placed, truth)
    by_box = yield from segmenter.steps(_request(image, Prompt(box=tight_box(truth))))
    low = low_res_placed(by_box)
    boundary = boundary_low = None
    if target.boundary:
        width = boundary_width(truth)
        boundary = boundary_iou(by_box.placed, truth, width=width)
        boundary_low = boundary_iou(low, truth, width=width)
    return ObjectScores(
        source=target.source,
        image=target.image,
        object_id=target.object_id,
        area=int(truth.mask.sum()),
        span=span,
        click=iou(by_click.placed, truth),
        corrected=corrected,
        box=iou(by_box.placed, truth),
        box_low=iou(low, truth),
        boundary=boundary,
        boundary_low=boundary_low,
        window_ratio=by_click.window.height * segmenter.predictor.search_policy.aim / span,
        sized_click=sized,
        seconds=time.perf_counter() - begun,
    )


def _corrected(
    segmenter: Segmenter,
    image: EvaluatedImage,
    truth: PlacedMask,
    *,
    first: SegmentResult,
    count: int,
) -> Generator[str, None, tuple[float, ...]]:
    """IoU after each of `count` corrections; without an error left it stays as it is."""
    result, ious = first, list[float]()
    for _ in range(count):
        click = correction_click(result.placed, truth)
        if click is not None:
            prompt = replace(result.prompt, corrections=(*result.prompt.corrections, click))
            inside = all(result.window.contains(c) for c in prompt.corrections)
            window = result.window if inside else None
            result = yield from segmenter.steps(_request(image, prompt, window=window))
        ious.append(iou(result.placed, truth))
    return tuple(ious)


def click_prompt(truth: PlacedMask) -> Prompt:
    """One click at the object's most interior point."""
    return Prompt(points=(_moved(most_interior(truth.mask), truth.y, truth.x),))


def tight_box(truth: PlacedMask) -> Box:
    """The box through the centres of the object's outermost pixels; half a pixel more if thin.

    truth: tight (`PlacedMask.cropped`).
    """
    height, width = truth.mask.shape
    ey, ex = 0.5 * (height == 1), 0.5 * (width == 1)
    return Box(truth.y - ey, truth.x - ex, truth.y + height - 1 + ey, truth.x + width - 1 + ex)


def correction_click(prediction: PlacedMask, truth: PlacedMask) -> Click | None:
    """`simulate.next_correction` in the image, looked for on the masks' common rectangle."""
    window = covered(prediction, truth)
    if window is None:
        return None
    click = next_correction(*crops_on(window, prediction, truth))
    return None if click is None else _moved(click, window.y, window.x)


def low_res_placed(result: SegmentResult) -> PlacedMask:
    """The mask before the high-resolution head, in image pixels."""
    image = (result.image_height, result.image_width)
    return ImageMask(result.low_res_logits, result.window, image).packed().placed()


def _moved(click: Click, dy: int, dx: int) -> Click:
    return Click(click.y + dy, click.x + dx, click.positive)
