"""Windows of labelled images as training examples: pixels, masks and where to prompt.

A crop is drawn from its number alone, so that a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.geometry import Window, square_window
from napari_pisam.images.labelled import LabelledImage, LabelledObject, LabelMap
from napari_pisam.images.resample import window_input
from napari_pisam.train.augment import dihedral, photometric
from napari_pisam.train.synthetic import thin_structures

EXTRA_MAPS = 0.15
LEAST_INPUT_AREA = 24


@dataclass(frozen=True, slots=True)
class CropSize:
    """size: side of the square the model sees, pixels; objects: masks a crop may hold."""

    size: int
    objects: int


@dataclass(frozen=True, slots=True)
class Crop:
    """pixels uint8 (3, S, S); masks uint8 (N, S, S), 0..255 for the covered share of a pixel."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def draw_fraction(rng: np.random.Generator) -> float:
    """How much of the window the object spans: mostly an eighth to a half, sometimes far off.

    The tails are what the first look of a prediction meets before it knows the scale.
    """
    kind = rng.random()
    if kind < 0.68:
        low, high = 1 / 8, 1 / 2
    elif kind < 0.86:
        low, high = 1 / 32, 1 / 8
    else:
        low, high = 1 / 2, 1.5
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_window(
    item: LabelledObject, label_map: LabelMap, size: int, rng: np.random.Generator
) -> Window:
    """A window round the object: centred on its box, or on a pixel of it as a click would be."""
    side = float(np.clip(item.span / draw_fraction(rng), size / 24, size * 8))
    if rng.random() < 0.5:
        box = label_map.labels[item.y0 : item.y1, item.x0 : item.x1] == item.id
        ys, xs = np.nonzero(box)
        pick = rng.integers(len(ys))
        y, x = item.y0 + int(ys[pick]), item.x0 + int(xs[pick])
    else:
        y, x = (item.y0 + item.y1) // 2, (item.x0 + item.x1) // 2
    shift = rng.normal(0, 0.06, 2) * side
    return square_window(y + shift[0], x + shift[1], side)


def _soft_mask(
    labels: NDArray[np.int32], item: int, box: tuple[int, int, int, int], size: int
) -> NDArray[np.uint8]:
    """One object of the labels inside the image, resampled into the window: uint8 (size, size)."""
    y0, x0, y1, x1 = box
    picture = Image.fromarray((labels == item).astype(np.uint8) * 255)
    shown = np.asarray(picture.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR))
    full = np.zeros((size, size), np.uint8)
    full[y0 : min(y1, size), x0 : min(x1, size)] = shown[: size - y0, : size - x0]
    return full


def cut_crop(
    image: LabelledImage,
    label_map: LabelMap,
    *,
    window: Window,
    first: int,
    shape: CropSize,
    rng: np.random.Generator,
) -> Crop | None:
    """The crop of that window; `first` leads its masks, others follow; None if it is hidden."""
    size = shape.size
    height, width = label_map.labels.shape
    inside = window.inside(height, width)
    if inside is None:
        return None
    rows, cols = slice(inside.y, inside.y + inside.height), slice(inside.x, inside.x + inside.width)
    labels = label_map.labels[rows, cols]
    pixels = window_input(image.rgb8[rows, cols], window, inside, size)
    y0, x0 = (
        round((inside.y - window.y) * size / window.height),
        round((inside.x - window.x) * size / window.width),
    )
    y1 = max(round((inside.y + inside.height - window.y) * size / window.height), y0 + 1)
    x1 = max(round((inside.x + inside.width - window.x) * size / window.width), x0 + 1)
    masks = []
    for item in _choose(labels, label_map, first, shape.objects, rng, window):
        soft = _soft_mask(labels, item, (y0, x0, y1, x1), size)
        if (soft > 127).sum() >= LEAST_INPUT_AREA:
            masks.append(soft)
        elif item == first:
            return None
    return Crop(np.ascontiguousarray(pixels.transpose(2, 0, 1)), np.stack(masks)) if masks else None


def _choose(
    labels: NDArray[np.int32],
    label_map: LabelMap,
    first: int,
    objects: int,
    rng: np.random.Generator,
    window: Window,
) -> list[int]:
    """The first object and others that show at least a third of themselves at a usable size."""
    seen = np.bincount(labels.ravel(), minlength=1)
    least = window.height / 40
    others = [
        o.id
        for o in label_map.objects
        if o.id != first and o.id < len(seen) and seen[o.id] > o.area / 3 and o.span >= least
    ]
    if not others:
        return [first]
    return [first, *(int(i) for i in rng.permutation(others)[: objects - 1])]


class CropSampler:
    """Draws crops: a source by weight, an image, a label map, an object, a window."""

    def __init__(
        self,
        sources: Sequence[tuple[float, Sequence[LabelledImage]]],
        *,
        size: int,
        objects: int,
        synthetic: float,
        augment: bool = True,
    ) -> None:
        self.sources = [(w, list(images)) for w, images in sources if len(images)]
        self.size, self.objects, self.synthetic = size, objects, synthetic
        self.augment = augment
        weights = np.array([w for w, _ in self.sources], np.float64)
        self.odds = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Crop:
        """One crop; draws again while the object is hidden or the image has none."""
        while True:
            _, images = self.sources[rng.choice(len(self.sources), p=self.odds)]
            image = images[rng.integers(len(images))]
            extras = [m for m in image.maps[1:] if m.objects]
            use_extra = self.augment and bool(extras) and rng.random() < EXTRA_MAPS
            label_map = extras[rng.integers(len(extras))] if use_extra else image.maps[0]
            if not label_map.objects:
                continue
            item = label_map.objects[rng.integers(len(label_map.objects))]
            crop = cut_crop(
                image,
                label_map,
                window=draw_window(item, label_map, self.size, rng),
                first=item.id,
                shape=CropSize(self.size, self.objects),
                rng=rng,
            )
            if crop is not None:
                return self._changed(crop, rng) if self.augment else crop

    def _changed(self, crop: Crop, rng: np.random.Generator) -> Crop:
        pixels, masks = crop.pixels, crop.masks
        if rng.random() < self.synthetic:
            pixels, masks = thin_structures(pixels, rng, count=self.objects)
        turn = int(rng.integers(8))
        return Crop(photometric(dihedral(pixels, turn), rng), dihedral(masks, turn))
