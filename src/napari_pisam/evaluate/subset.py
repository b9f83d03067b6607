"""Which objects of which images are measured: few, spread over the images, always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from napari_pisam.datasets.labelled import LabelledImage, LabelledObject, read_label_map


@dataclass(frozen=True, slots=True)
class Targets:
    """The objects to be measured in one image."""

    pair: LabelledImage
    objects: tuple[LabelledObject, ...]


def choose(
    pairs: Sequence[LabelledImage], *, per_image: int, per_source: int, least_area: int
) -> list[Targets]:
    """At most so many objects of each image and of one source, drawn by their names.

    pairs: the validation images of one source. least_area: pixels. A smaller subset is a part of a
    larger one; every image gives its first object before one gives its second. Images in the order
    of `pairs`, those without a chosen object left out.
    """
    drawn: list[tuple[int, bytes, int, LabelledObject]] = []
    for index, pair in enumerate(pairs):
        name = image_name(pair)
        labels = read_label_map(pair.mask_paths[0], pair.kind, least_area)
        mixed = sorted(labels.objects, key=lambda item: _lot(name, str(item.id)))
        drawn += [(rank, _lot(name), index, item) for rank, item in enumerate(mixed[:per_image])]
    drawn.sort(key=lambda entry: entry[:3])
    kept: dict[int, list[LabelledObject]] = {}
    for _, _, index, item in drawn[:per_source]:
        kept.setdefault(index, []).append(item)
    return [Targets(pairs[index], tuple(kept[index])) for index in sorted(kept)]


def image_name(pair: LabelledImage) -> str:
    """What an image is called in reports: its file and the folder that holds it."""
    return f"{pair.image_path.parent.name}/{pair.image_path.name}"


def _lot(*names: str) -> bytes:
    return hashlib.sha256("/".join(names).encode()).digest()
