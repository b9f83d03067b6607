"""Labelled images in memory, and which of them are held back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.images.intensity import intensity_window, to_rgb8
from napari_pisam.images.labels import read_image
from napari_pisam.images.source import ArraySource
from napari_pisam.train.config import ConfigError, MaskKind, SourceConfig

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """One object of a label map: its id and its bounding box, rows y0:y1 and columns x0:x1."""

    id: int
    y0: int
    x0: int
    y1: int
    x1: int
    area: int

    @property
    def span(self) -> int:
        """The longer side of the bounding box, pixels."""
        return max(self.y1 - self.y0, self.x1 - self.x0)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels int32 (H, W), 0 = background, and the objects in it."""

    labels: NDArray[np.int32]
    objects: tuple[LabelledObject, ...]

    def mask(self, item: LabelledObject) -> NDArray[np.bool_]:
        """bool (H, W)."""
        full: NDArray[np.bool_] = self.labels == item.id
        return full


@dataclass
class LabelledImage:
    """One pair on disk, read when first used, with the intensity mapping of prediction."""

    source: str
    image_path: Path
    mask_paths: tuple[Path, ...]
    kind: MaskKind
    min_area: int = 16

    @cached_property
    def rgb8(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), through the image's own percentile window."""
        pixels = ArraySource(read_image(self.image_path))
        whole = pixels.read_all() if hasattr(pixels, "read_all") else read_image(self.image_path)
        if whole.ndim == 2:
            whole = whole[..., None]
        return to_rgb8(whole, intensity_window(pixels))

    @cached_property
    def maps(self) -> tuple[LabelMap, ...]:
        """The label maps: the main one, then those of the extra folders that exist."""
        return tuple(
            read_labels(p, self.kind if i == 0 else "auto", self.min_area)
            for i, p in enumerate(self.mask_paths)
        )


def read_labels(path: Path, kind: str, min_area: int) -> LabelMap:
    """A mask file as a label map; "binary" and two-valued "auto" ones split into components."""
    raw = np.asarray(read_image(path))
    if raw.ndim == 3:
        raw = raw[..., 0]
    two_valued = len(np.unique(raw[:: max(1, raw.shape[0] // 256)])) <= 2
    if kind == "binary" or (kind == "auto" and two_valued):
        labels = ndimage.label(raw > (127 if raw.max() > 1 else 0), np.ones((3, 3), int))[0]
    else:
        labels = raw
    labels = np.ascontiguousarray(labels, np.int32)
    areas = np.bincount(labels.ravel())
    objects = tuple(
        LabelledObject(i, box[0].start, box[1].start, box[0].stop, box[1].stop, int(areas[i]))
        for i, box in enumerate(ndimage.find_objects(labels), 1)
        if box is not None and areas[i] >= min_area
    )
    return LabelMap(labels, objects)


def _stems(folder: Path, extension: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        wanted = (extension,) if extension else IMAGE_EXTENSIONS
        if path.suffix.lower() in wanted:
            yield str(path.relative_to(folder).with_suffix("")), path


def find_pairs(root: Path, source: SourceConfig) -> list[LabelledImage]:
    """The pairs of one source, by equal file stems.

    Raises ConfigError when a folder is missing or no image has a mask.
    """
    images, masks = root / source.images, root / source.masks
    for folder in (images, masks):
        if not folder.is_dir():
            raise ConfigError(
                f"{source.name}: the folder {folder} does not exist; check the data root."
            )
    by_stem = dict(_stems(masks, source.mask_ext))
    pairs = []
    for stem, path in _stems(images, source.image_ext):
        if stem not in by_stem or path == by_stem[stem]:
            continue
        others = [root / e / f"{stem}{source.mask_ext}" for e in source.extra]
        files = (by_stem[stem], *(p for p in others if p.exists()))
        pairs.append(LabelledImage(source.name, path, files, source.kind))
    if not pairs:
        raise ConfigError(
            f"{source.name}: no image in {images} has a mask of the same name in {masks}."
        )
    return pairs


def appearance_cluster(image: NDArray[np.uint8], step: int) -> str:
    """Size and coarse colour, such as "256x320:6-4-8": what fields of one slide share.

    image: the file's own pixels (H, W[, C]); step: grey levels in one colour class.
    """
    mean = image.reshape(*image.shape[:2], -1).mean((0, 1)) // step
    return f"{image.shape[0]}x{image.shape[1]}:" + "-".join(str(int(v)) for v in mean)


def split(
    pairs: Sequence[LabelledImage], source: SourceConfig
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """(training, validation): whole scenes are held back, as the source's entry says."""
    training: list[LabelledImage] = []
    validation: list[LabelledImage] = []
    pattern = re.compile(source.validation)
    for pair in pairs:
        held = bool(pattern.search(pair.image_path.stem))
        if source.appearance:
            cluster = appearance_cluster(read_image(pair.image_path), source.appearance)
            held = held or cluster in source.held_back
        (validation if held or not source.training else training).append(pair)
    return training, validation
