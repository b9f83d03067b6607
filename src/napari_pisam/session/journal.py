"""Every kept object on disk at once, so that a crash costs none of them.

One file per session, one JSON object per line, appended and never rewritten. Each line is one
change of labels with the objects that it touched, and says of which image. Applying the lines in
order makes the labels again, bit for bit; a last line cut off by a crash is left out.

A change of at most one plane is a line of format 1, with "edit", as all versions read it. A change
of several planes is a line of format 2, with "edits": a version that knows format 1 alone stops
there, as at a damaged line, and restores what was written before it. Keys have the words of
format 1: "canvas" is the label store, "gone" and "come" are the objects removed and added.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.masks.packed import NOTHING, PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.label_edit import LabelArray, LabelEdit
from napari_pisam.session.label_store import where
from napari_pisam.session.objects import KeptObject, ObjectEdit, ObjectKey
from napari_pisam.session.plane import PlaneIndex

FORMAT_ONE_PLANE = 1
FORMAT_PLANES = 2
JOURNALS_KEPT = 50
SUFFIX = ".pisam.jsonl"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """How an image is known again after a restart: its name and the shape of its labels."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What a journal holds of one image: the edits in order, and the objects they end with."""

    identity: ImageIdentity
    written: float
    edits: tuple[LabelEdit, ...]
    objects: tuple[KeptObject, ...]

    def labels(self, dtype: np.dtype[Any]) -> LabelArray:
        """The labels that the edits make of an empty array."""
        array = np.zeros(self.identity.shape, dtype)
        self.write_into(array)
        return array

    def write_into(self, array: Any) -> None:
        """The same for an array that takes rectangles of planes, of the identity's shape."""
        for edit in self.edits:
            box = edit.box
            if box is not None:
                place = where(edit.plane, box)
                region = np.array(array[place])
                region[edit.changed.placed().mask] = edit.after
                array[place] = region


class Journal:
    """The file of one session; made with its first line: a session without objects has none."""

    def __init__(self, folder: Path) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.path = folder / f"{stamp}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        self.failed: str | None = None

    def append(self, edit: ObjectEdit, identity: ImageIdentity) -> None:
        """Write one change; a disk that fails sets `failed` to a sentence, no more."""
        record = _record(edit, identity)
        if record is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
            self.failed = None
        except OSError as error:
            self.failed = (
                f"The journal {self.path} cannot be written ({error.strerror}): "
                "save your labels often."
            )
            logger.warning(self.failed)


def restorable(
    folder: Path, identity: ImageIdentity, *, but: Path | None = None
) -> Restored | None:
    """The newest journal that ends with objects of that image; None when there is none.

    but: the running session's own file.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        if path == but:
            continue
        found = [r for r in read_journal(path) if r.identity == identity and r.objects]
        if found:
            return max(found, key=lambda r: len(r.objects))
    return None


def tidy(folder: Path) -> None:
    """Remove all but the newest journals."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True)[JOURNALS_KEPT:]:
        try:
            os.remove(path)
        except OSError as error:
            logger.warning("The old journal %s cannot be removed: %s", path, error)


@dataclass(slots=True)
class _StoreContents:
    """What has been read so far of one label store, which may hold objects of several images."""

    identities: dict[ImageIdentity, None] = field(default_factory=dict)
    edits: list[LabelEdit] = field(default_factory=list)
    objects: dict[ObjectKey, KeptObject] = field(default_factory=dict)


def read_journal(path: Path) -> list[Restored]:
    """What a journal holds, one entry per labels that it wrote and image that they are of.

    Lines that are damaged end it.
    """
    stores: dict[tuple[str, tuple[int, ...]], _StoreContents] = {}
    for record in _records(path):
        try:
            identity = ImageIdentity(record["image"]["name"], tuple(record["image"]["shape"]))
            edits = _edits_from(record)
            removed = [(int(label), _index(index)) for label, index in record["gone"]]
            added = [_object_from(o) for o in record["come"]]
            store = str(record["canvas"])
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("%s holds a line that is not a change of labels: %s", path, error)
            break
        contents = stores.setdefault((store, identity.shape), _StoreContents())
        contents.identities[identity] = None
        contents.edits.extend(edits)
        for key in removed:
            contents.objects.pop(key, None)
        for found in added:
            contents.objects[found.key] = found
    written = path.stat().st_mtime if path.exists() else 0.0
    return [
        Restored(identity, written, tuple(contents.edits), tuple(contents.objects.values()))
        for contents in stores.values()
        for identity in contents.identities
    ]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        logger.warning("The journal %s cannot be read: %s", path, error)
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            return
        formats = (FORMAT_ONE_PLANE, FORMAT_PLANES)
        if not isinstance(record, dict) or record.get("format") not in formats:
            return
        yield record


def _record(edit: ObjectEdit, identity: ImageIdentity) -> dict[str, Any] | None:
    """The line of a change; None when it changes nothing."""
    touched = (*edit.removed, *edit.added)
    if not edit.edits and not touched:
        return None
    record: dict[str, Any] = {
        "format": FORMAT_ONE_PLANE,
        "image": {"name": identity.name, "shape": list(identity.shape)},
        "canvas": edit.store.key,
    }
    if len(edit.edits) > 1:
        record["format"] = FORMAT_PLANES
        record["edits"] = [_edit_json(e) for e in edit.edits]
    else:
        # Format 1 has an edit of labels in every line, be it an empty one.
        one = edit.edits[0] if edit.edits else LabelEdit(touched[0].index, NOTHING, 0, 0)
        record["edit"] = _edit_json(one)
    record["gone"] = [[o.label, list(o.index)] for o in edit.removed]
    record["come"] = [_object_json(o) for o in edit.added]
    return record


def _edits_from(record: dict[str, Any]) -> list[LabelEdit]:
    if record["format"] == FORMAT_PLANES:
        return [_edit_from(edit) for edit in record["edits"]]
    return [_edit_from(record["edit"])]


def _edit_json(edit: LabelEdit) -> dict[str, Any]:
    return {
        "index": list(edit.plane),
        "changed": edit.changed.as_json(),
        "old": _values_json(edit.before),
        "new": _values_json(edit.after),
    }


def _edit_from(data: dict[str, Any]) -> LabelEdit:
    changed = PackedMask.from_json(data["changed"])
    return LabelEdit(_index(data["index"]), changed, _values(data["old"]), _values(data["new"]))


def _values_json(values: int | NDArray[np.int64]) -> int | str:
    if isinstance(values, int):
        return values
    return base64.b64encode(zlib.compress(values.astype("<i8").tobytes(), 1)).decode("ascii")


def _values(data: Any) -> int | NDArray[np.int64]:
    if isinstance(data, int):
        return data
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(data)), "<i8").astype(np.int64)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _index(data: Any) -> PlaneIndex:
    return tuple(None if position is None else int(position) for position in data)


def _object_json(kept: KeptObject) -> dict[str, Any]:
    window = kept.window
    return {
        "label": kept.label,
        "canvas": kept.store,
        "image": kept.image,
        "index": list(kept.index),
        "mask": kept.mask.as_json(),
        "prompt": prompt_json(kept.prompt),
        "window": window and [window.y, window.x, window.height, window.width, window.level],
        "object_size": kept.object_size,
        "seconds": kept.seconds,
        "model": kept.model,
    }


def _object_from(data: dict[str, Any]) -> KeptObject:
    return KeptObject(
        label=int(data["label"]),
        store=str(data["canvas"]),
        image=str(data["image"]),
        index=_index(data["index"]),
        mask=PackedMask.from_json(data["mask"]),
        prompt=prompt_from(data["prompt"]),
        window=Window(*(int(v) for v in data["window"])) if data["window"] else None,
        object_size=data["object_size"],
        seconds=float(data["seconds"]),
        model=str(data["model"]),
    )


def prompt_json(prompt: Prompt) -> dict[str, Any]:
    """A prompt as json.dumps takes it; `prompt_from` reads it back."""
    box = prompt.box
    return {
        "points": [[c.y, c.x, c.positive] for c in prompt.points],
        "corrections": [[c.y, c.x, c.positive] for c in prompt.corrections],
        "box": box and [box.y_min, box.x_min, box.y_max, box.x_max],
        "mask": prompt.mask and PackedMask.of(prompt.mask).as_json(),
    }


def prompt_from(data: dict[str, Any]) -> Prompt:
    """The prompt that `prompt_json` wrote; raises KeyError, TypeError or ValueError."""
    box, mask = data["box"], data["mask"]
    placed: PlacedMask | None = PackedMask.from_json(mask).placed() if mask else None
    return Prompt(
        points=tuple(Click(*c) for c in data["points"]),
        corrections=tuple(Click(*c) for c in data["corrections"]),
        box=Box(*box) if box else None,
        mask=placed,
    )
