"""Labelled images: lists of sources, pairs of files, masks as label maps, what is held back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_pisam.datasets.tables import TableError, read_toml, record_of
from napari_pisam.geometry import Window
from napari_pisam.images.files import open_source
from napari_pisam.images.intensity import intensity_window, to_rgb8
from napari_pisam.images.read import read_image, read_stored
from napari_pisam.images.source import PyramidSource, nodata_of

MaskKind = Literal["instance", "binary", "whole"]
IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SOFT_FROM = 128
"""A mask as bright as this is gray with soft edges, perhaps; a darker one holds numbers."""
PUBLISHED = "published"
"""The name of the list of data sets that Pi-SAM was published with."""


class LabelledDataError(ValueError):
    """Labelled images that cannot be found or used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One folder of images with masks.

    images, masks: folders under the data root; extra: further mask folders, drawn now and then.
    kind: "instance", a number for each object; "binary", each connected part is an object;
    "whole", all that is not zero is one object; both cut soft edges in their middle. image_ext,
    mask_ext: which files. weight: how often training draws from it; 0 for as many shares as it has
    images. validation: regular expression on the file stem; or, with `appearance`, the
    size-and-colour clusters held back ("HxW:c" with c the mean // appearance, per channel).
    training: False for sources that are only measured. boundary: whether its boundaries are true
    to the pixel.
    """

    name: str
    images: str
    masks: str
    kind: MaskKind = "instance"
    extra: tuple[str, ...] = ()
    image_ext: str = ""
    mask_ext: str = ".png"
    weight: float = 1.0
    validation: str = "$^"
    appearance: int = 0
    held_back: tuple[str, ...] = ()
    training: bool = True
    boundary: bool = False


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
    """One pair on disk, read when first used and kept until `forget`."""

    source: str
    image_path: Path
    mask_paths: tuple[Path, ...]
    kind: MaskKind
    min_area: int = 16

    @cached_property
    def rgb8(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), through the image's own percentile window, as in prediction."""
        file = open_source(self.image_path)
        pixels = file.read(Window(0, 0, file.height, file.width))
        loaded = PyramidSource((pixels,), rgb=file.rgb, nodata=nodata_of(file)[0])
        return to_rgb8(pixels, intensity_window(loaded))

    @cached_property
    def maps(self) -> tuple[LabelMap, ...]:
        """The label maps: the main one, then those of the extra folders that exist."""
        return tuple(
            read_label_map(p, self.kind if i == 0 else "auto", self.min_area)
            for i, p in enumerate(self.mask_paths)
        )

    @property
    def kept_bytes(self) -> int:
        """What it holds in memory now."""
        pixels = self.rgb8.nbytes if "rgb8" in self.__dict__ else 0
        maps = self.maps if "maps" in self.__dict__ else ()
        return int(pixels + sum(m.labels.nbytes for m in maps))

    def forget(self) -> None:
        """Let go of what was read; the next use reads it anew."""
        self.__dict__.pop("rgb8", None)
        self.__dict__.pop("maps", None)


def read_label_map(path: Path, kind: str, min_area: int) -> LabelMap:
    """A mask file as a label map.

    kind: see SourceConfig; "auto" takes two-valued files as "binary", others as "instance".
    min_area: pixels; smaller objects are not listed. Raises ImageError, one sentence.
    """
    raw = read_stored(path)
    if raw.ndim == 3:
        raw = raw[..., 0]
    if kind == "auto":
        two_valued = len(np.unique(raw[:: max(1, raw.shape[0] // 256)])) <= 2
        kind = "binary" if two_valued else "instance"
    if kind in ("binary", "whole"):
        brightest = int(raw.max())
        raw = raw > (brightest // 2 if brightest >= SOFT_FROM else 0)
    if kind == "binary":
        raw = ndimage.label(raw, np.ones((3, 3), int))[0]
    labels: NDArray[np.int32] = np.ascontiguousarray(raw, np.int32)
    areas = np.bincount(labels.ravel())
    objects = tuple(
        LabelledObject(i, box[0].start, box[1].start, box[0].stop, box[1].stop, int(areas[i]))
        for i, box in enumerate(ndimage.find_objects(labels), 1)
        if box is not None and areas[i] >= min_area
    )
    return LabelMap(labels, objects)


def load_sources(path: Path | str) -> tuple[SourceConfig, ...]:
    """The `[[source]]` tables of a TOML file, or the list named "published".

    Raises LabelledDataError for a file that cannot be read and for entries that are unknown.
    """
    if str(path) == PUBLISHED:
        path = Path(str(files("napari_pisam.datasets").joinpath("published.toml")))
    try:
        tables = read_toml(Path(path)).get("source", [])
    except TableError as error:
        raise LabelledDataError(str(error)) from None
    return parse_sources(tables, str(path))


def parse_sources(tables: object, where: str) -> tuple[SourceConfig, ...]:
    """Tables as sources; where: what messages call the file. Raises LabelledDataError."""
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise LabelledDataError(f"{where}: name at least one [[source]] of images and masks.")
    parsed = []
    for i, table in enumerate(tables, 1):
        try:
            source = record_of(SourceConfig, table, f"{where}, source {i}")
            re.compile(source.validation)
        except TableError as error:
            raise LabelledDataError(str(error)) from None
        except re.error as error:
            raise LabelledDataError(
                f"{where}, source {i}: validation is no regular expression: {error}."
            ) from None
        parsed.append(source)
    return tuple(parsed)


def present(root: Path, sources: Iterable[SourceConfig]) -> list[SourceConfig]:
    """Those of the sources whose folders of images and masks exist under the root."""
    return [s for s in sources if (root / s.images).is_dir() and (root / s.masks).is_dir()]


def _stems(folder: Path, extension: str) -> Iterator[tuple[str, Path]]:
    wanted = (extension.lower(),) if extension else IMAGE_EXTENSIONS
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in wanted:
            yield str(path.relative_to(folder).with_suffix("")), path


def find_pairs(root: Path, source: SourceConfig) -> list[LabelledImage]:
    """The pairs of one source, by equal file stems.

    Raises LabelledDataError when a folder is missing or no image has a mask.
    """
    images, masks = root / source.images, root / source.masks
    for folder in (images, masks):
        if not folder.is_dir():
            raise LabelledDataError(
                f"{source.name}: the folder {folder} does not exist; check the data root."
            )
    by_stem = dict(_stems(masks, source.mask_ext))
    pairs = []
    for stem, path in _stems(images, source.image_ext):
        if stem not in by_stem or path == by_stem[stem]:
            continue
        others = [root / e / f"{stem}{source.mask_ext}" for e in source.extra]
        masks_of_it = (by_stem[stem], *(p for p in others if p.exists()))
        pairs.append(LabelledImage(source.name, path, masks_of_it, source.kind))
    if not pairs:
        raise LabelledDataError(
            f"{source.name}: no image in {images} has a mask of the same name in {masks} that "
            f"ends in {source.mask_ext or ', '.join(IMAGE_EXTENSIONS)}; mask_ext says which do."
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
