"""Windows of labelled images as training examples: pixels, masks and where to prompt.

A crop is drawn from its number alone, so that a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from napari_pisam.datasets.generated import generated_scene, through_optics
from napari_pisam.datasets.labelled import (
    LabelledDataError,
    LabelledImage,
    LabelledObject,
    LabelMap,
)
from napari_pisam.geometry import Window, WindowGrid, square_window
from napari_pisam.images.resample import fill_part, window_input
from napari_pisam.train.augment import dihedral, mirrored, photometric

EXTRA_MAPS = 0.15
OPTICS = 0.15
"""Share of the real windows that go through a drawn instrument."""
PASTED = 0.3
"""Share of the synthetic windows that are real objects on another image's ground."""
LEAST_INPUT_AREA = 24


KEPT_BYTES = 3 * 10**9
"""Images and labels that one process keeps in memory; beyond, the least recently used are freed."""
WHOLE_PAD = 128
"""The value of pixels beside a whole image that is smaller than its square."""
JITTER = (0.8, 1.6)
MOST_TRIES = 1000


@dataclass(frozen=True, slots=True)
class CropStyle:
    """How crops are drawn.

    size: side of the square the model sees, pixels; objects: masks a crop may hold; synthetic:
    share of drawn scenes and pasted objects; window, augment: see TrainConfig.
    """

    size: int
    objects: int
    synthetic: float = 0.0
    window: str = "object"
    augment: str = "microscopy"


@dataclass(frozen=True, slots=True)
class Crop:
    """pixels uint8 (3, S, S); masks uint8 (N, S, S), 0..255 for the covered share of a pixel."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def draw_fraction(rng: np.random.Generator) -> float:
    """How much of the window the object spans: mostly a fifth to three quarters.

    The middle range is that of the window a prediction is computed in; the tails are those of the
    first trial windows, before the object's scale is known.
    """
    kind = rng.random()
    if kind < 0.62:
        low, high = 0.22, 0.75
    elif kind < 0.86:
        low, high = 1 / 32, 0.22
    else:
        low, high = 0.75, 1.5
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_window(
    item: LabelledObject, label_map: LabelMap, size: int, *, rng: np.random.Generator
) -> Window:
    """A window round the object: centred on its box, or on a pixel of it as a click would be.

    The side is at most three times the image's, as that of the largest trial window in prediction.
    """
    longest = min(max(label_map.labels.shape) * rng.uniform(1, 3), size * 8)
    side = float(np.clip(item.span / draw_fraction(rng), size / 24, max(longest, size / 24)))
    if rng.random() < 0.5:
        box = label_map.labels[item.y0 : item.y1, item.x0 : item.x1] == item.id
        ys, xs = np.nonzero(box)
        pick = rng.integers(len(ys))
        y, x = item.y0 + int(ys[pick]), item.x0 + int(xs[pick])
    else:
        y, x = (item.y0 + item.y1) // 2, (item.x0 + item.x1) // 2
    shift = rng.normal(0, 0.06, 2) * side
    return square_window(y + shift[0], x + shift[1], side)


def whole_window(height: int, width: int, style: CropStyle, *, rng: np.random.Generator) -> Window:
    """The image squeezed into the square, enlarged or reduced; unless nothing is augmented.

    Enlarged, a random part of it is cut; reduced, it lies at the upper left.
    """
    if style.augment == "none":
        return Window(0, 0, height, width)
    scale = rng.uniform(*JITTER)
    h, w = max(1, round(height / scale)), max(1, round(width / scale))
    y = int(rng.integers(height - h + 1)) if h < height else 0
    x = int(rng.integers(width - w + 1)) if w < width else 0
    return Window(y, x, h, w)


def pasted(crop: Crop, ground: NDArray[np.uint8], rng: np.random.Generator) -> Crop:
    """The crop's objects on another ground, uint8 (3, S, S), with a soft seam."""
    share = Image.fromarray(crop.masks.max(0))
    if rng.random() < 0.7:
        share = share.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    picture, below = (Image.fromarray(p.transpose(1, 2, 0)) for p in (crop.pixels, ground))
    both = np.asarray(Image.composite(picture, below, share))
    return Crop(np.ascontiguousarray(both.transpose(2, 0, 1)), crop.masks)


def _soft_mask(
    labels: NDArray[np.int32], item: int, part: Window, *, size: int
) -> NDArray[np.uint8]:
    """One object of the labels inside the image, resampled into the window: uint8 (size, size).

    part: where the labels lie, pixels of the result.
    """
    full = np.zeros((size, size), np.uint8)
    fill_part(full, (labels == item).astype(np.uint8) * 255, part)
    return full


def cut_crop(
    image: LabelledImage,
    label_map: LabelMap,
    *,
    window: Window,
    first: int,
    style: CropStyle,
    rng: np.random.Generator,
) -> Crop | None:
    """The crop of that window, the mask of `first` before others; None if that object is hidden."""
    # Cut the part of the window that is in the image
    size = style.size
    height, width = label_map.labels.shape
    inside = window.inside(height, width)
    if inside is None:
        return None
    labels = label_map.labels[inside.slices]
    # Resample the pixels, and find where they lie in the square
    pixels = window_input(image.rgb8[inside.slices], window, inside, size=size)
    part = WindowGrid(window, size).part(inside)
    if style.window == "whole":
        pixels[part.y + part.height :] = WHOLE_PAD
        pixels[:, part.x + part.width :] = WHOLE_PAD
    # Resample the mask of each object, and drop those that are too small
    masks = []
    for item in _choose(labels, label_map, first, objects=style.objects, rng=rng, window=window):
        soft = _soft_mask(labels, item, part, size=size)
        if (soft > 127).sum() >= LEAST_INPUT_AREA:
            masks.append(soft)
        elif item == first:
            return None
    return Crop(np.ascontiguousarray(pixels.transpose(2, 0, 1)), np.stack(masks)) if masks else None


def _choose(
    labels: NDArray[np.int32],
    label_map: LabelMap,
    first: int,
    *,
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
        self, sources: Sequence[tuple[float, Sequence[LabelledImage]]], style: CropStyle
    ) -> None:
        self.sources = [(w, list(images)) for w, images in sources if len(images)]
        self.style = style
        weights = np.array([w for w, _ in self.sources], np.float64)
        self.odds = weights / weights.sum()
        self.used: OrderedDict[int, LabelledImage] = OrderedDict()

    def draw(self, rng: np.random.Generator) -> Crop:
        """One crop; draws again while the object is hidden or the image has none."""
        synthetic = self.style.synthetic if self.style.augment == "microscopy" else 0.0
        kind = rng.random() if synthetic else 1.0
        if kind < synthetic * (1 - PASTED):
            scene = generated_scene(
                rng, self.style.size, objects=self.style.objects, texture=self._texture
            )
            return Crop(photometric(scene.pixels, rng), scene.masks)
        crop = self._real(rng)
        if kind < synthetic:
            crop = pasted(crop, self._texture(rng), rng)
        return self._changed(crop, rng)

    def _real(self, rng: np.random.Generator) -> Crop:
        for _ in range(MOST_TRIES):
            _, images = self.sources[rng.choice(len(self.sources), p=self.odds)]
            image = images[rng.integers(len(images))]
            crop = self._crop_of(image, rng)
            self._keep(image)
            if crop is not None:
                return crop
        raise LabelledDataError(
            f"No object was found in {MOST_TRIES} tries: check that the masks hold objects of a "
            f"few pixels at least (value 0 is background)."
        )

    def _crop_of(self, image: LabelledImage, rng: np.random.Generator) -> Crop | None:
        extras = [m for m in image.maps[1:] if m.objects]
        use_extra = self.style.augment != "none" and bool(extras) and rng.random() < EXTRA_MAPS
        label_map = extras[rng.integers(len(extras))] if use_extra else image.maps[0]
        if not label_map.objects:
            return None
        item = label_map.objects[rng.integers(len(label_map.objects))]
        if self.style.window == "whole":
            height, width = label_map.labels.shape
            window = whole_window(height, width, self.style, rng=rng)
        else:
            window = draw_window(item, label_map, self.style.size, rng=rng)
        return cut_crop(image, label_map, window=window, first=item.id, style=self.style, rng=rng)

    def _texture(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A square of any real image, of any source, at any scale: uint8 (3, S, S)."""
        _, images = self.sources[rng.choice(len(self.sources), p=self.odds)]
        image = images[rng.integers(len(images))]
        height, width = image.rgb8.shape[:2]
        longest = min(height, width)
        side = int(np.exp(rng.uniform(np.log(min(48, longest)), np.log(longest + 1))))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        part = Image.fromarray(image.rgb8[y : y + side, x : x + side])
        shown = np.asarray(part.resize((self.style.size,) * 2, Image.Resampling.BILINEAR))
        self._keep(image)
        return dihedral(np.ascontiguousarray(shown.transpose(2, 0, 1)), int(rng.integers(8)))

    def _keep(self, image: LabelledImage) -> None:
        """Free the least recently used images when there are too many in memory."""
        self.used[id(image)] = image
        self.used.move_to_end(id(image))
        held = sum(i.kept_bytes for i in self.used.values())
        while held > KEPT_BYTES and len(self.used) > 1:
            _, oldest = self.used.popitem(last=False)
            held -= oldest.kept_bytes
            oldest.forget()

    def _changed(self, crop: Crop, rng: np.random.Generator) -> Crop:
        pixels, masks = crop.pixels, crop.masks
        if self.style.augment == "none":
            return crop
        if self.style.augment == "flip":
            return Crop(mirrored(pixels), mirrored(masks)) if rng.random() < 0.5 else crop
        if rng.random() < OPTICS:
            pixels = through_optics(np.ascontiguousarray(pixels.transpose(1, 2, 0)), rng)
        turn = int(rng.integers(8))
        return Crop(photometric(dihedral(pixels, turn), rng), dihedral(masks, turn))
