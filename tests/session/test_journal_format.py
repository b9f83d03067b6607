"""What a journal's lines look like, and that journals of earlier versions are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pisam.masks.packed import PackedMask
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Click, Prompt
from napari_pisam.session.commit import object_edit
from napari_pisam.session.journal import ImageIdentity, Journal, Restored, read_journal
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.label_store import ArrayLabelStore
from napari_pisam.session.objects import KeptObject, ObjectEdit, ObjectKey, ObjectRegistry

JOURNALS = Path(__file__).parents[1] / "data" / "journals"


def runs_of(mask: NDArray[np.bool_], y: int, x: int) -> list[list[int]]:
    """The rows of a mask: [row, first column, the column after the last], image pixels."""
    runs = []
    for row, pixels in enumerate(mask):
        borders = np.flatnonzero(np.diff(pixels.astype(np.int8), prepend=0, append=0))
        runs += [[y + row, x + int(a), x + int(b)] for a, b in borders.reshape(-1, 2)]
    return runs


def fields_of(kept: KeptObject) -> dict[str, Any]:
    """An object as the files beside the journals describe it."""
    placed, prompt, window = kept.mask.placed(), kept.prompt, kept.window
    box, rough = prompt.box, prompt.mask
    return {
        "label": kept.label,
        "canvas": kept.store,
        "image": kept.image,
        "index": list(kept.index),
        "mask": runs_of(placed.mask, placed.y, placed.x),
        "area": kept.area,
        "points": [[c.y, c.x, c.positive] for c in prompt.points],
        "corrections": [[c.y, c.x, c.positive] for c in prompt.corrections],
        "box": box and [box.y_min, box.x_min, box.y_max, box.x_max],
        "rough_mask": rough and runs_of(rough.mask, rough.y, rough.x),
        "window": window and [window.y, window.x, window.height, window.width, window.level],
        "object_size": kept.object_size,
        "seconds": kept.seconds,
        "model": kept.model,
    }


def restored(name: str) -> Restored:
    (found,) = read_journal(JOURNALS / f"{name}.pisam.jsonl")
    return found


@pytest.mark.parametrize("name", ["cells", "stack"])
def test_a_journal_of_an_earlier_version_gives_its_labels_bit_for_bit(
    name: str, tmp_path: Path
) -> None:
    after = np.load(JOURNALS / f"{name}.npz")["after"]
    lines = (JOURNALS / f"{name}.pisam.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == len(after)
    for count, wanted in enumerate(after, start=1):
        path = tmp_path / "cut.pisam.jsonl"
        path.write_bytes(b"".join(lines[:count]))
        (found,) = read_journal(path)
        assert found.identity == ImageIdentity(f"{name}.tif", wanted.shape)
        assert np.array_equal(found.labels(wanted.dtype), wanted)


@pytest.mark.parametrize("name", ["cells", "stack"])
def test_a_journal_of_an_earlier_version_gives_every_field_of_its_objects(name: str) -> None:
    def order(fields: dict[str, Any]) -> tuple[int, int]:
        return fields["label"], fields["index"][0] or 0

    wanted = json.loads((JOURNALS / f"{name}.objects.json").read_text(encoding="utf-8"))
    found = [fields_of(kept) for kept in restored(name).objects]
    assert sorted(found, key=order) == sorted(wanted, key=order)


class JournaledLabels:
    """Labels in an array with their list of objects, every change of which is journaled."""

    def __init__(self, folder: Path) -> None:
        self.store = ArrayLabelStore(np.zeros((4, 40, 50), np.uint16), key="labels 1")
        self.registry = ObjectRegistry()
        self.journal = Journal(folder)
        self.identity = ImageIdentity("stack.tif", self.store.labels.shape)

    def apply(self, edit: ObjectEdit) -> ObjectEdit:
        written = self.registry.apply(edit)
        self.journal.append(written, self.identity)
        return written

    def propagated(self, label: int, rows: slice, planes: range) -> ObjectEdit:
        """An object through several planes, one column further right on each."""
        objects = []
        for z in planes:
            mask = np.zeros((40, 50), np.bool_)
            mask[rows, 10 + z : 20 + z] = True
            packed = PackedMask.of(PlacedMask(0, 0, mask))
            prompt = Prompt((Click(15, 14 + z),))
            objects.append(
                KeptObject(label, "labels 1", "stack 1", (z, None, None), packed, prompt)
            )
        return object_edit(self.registry, self.store, objects, policy=Overlap.OVERWRITE)

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.journal.path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def test_a_change_of_several_planes_is_one_line_and_comes_back(tmp_path: Path) -> None:
    work = JournaledLabels(tmp_path)
    first = work.propagated(1, slice(5, 20), range(3))
    work.apply(first)
    second = work.propagated(2, slice(10, 30), range(1, 4))
    work.apply(second)
    restored = work.apply(second.inverse)
    work.apply(restored.inverse)
    assert [line["format"] for line in work.lines] == [2, 2, 2, 2]
    for count in range(1, 5):
        path = tmp_path / "cut.pisam.jsonl"
        lines = work.journal.path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:count]))
        (found,) = read_journal(path)
        assert {o.key for o in found.objects} == {
            (label, (z, None, None))
            for label, planes in ((1, range(3)), (2, range(1, 4)))
            for z in planes
            if label == 1 or count in (2, 4)
        }
    (found,) = read_journal(work.journal.path)
    assert np.array_equal(found.labels(np.dtype(np.uint16)), work.store.labels)
    listed = work.registry.of("labels 1")
    assert sorted(map(str, map(fields_of, found.objects))) == sorted(
        map(str, map(fields_of, listed))
    )


def test_a_line_of_several_planes_that_is_cut_off_counts_on_none_of_them(tmp_path: Path) -> None:
    work = JournaledLabels(tmp_path)
    work.apply(work.propagated(1, slice(5, 20), range(3)))
    labels = work.store.labels.copy()
    work.apply(work.propagated(2, slice(10, 30), range(1, 4)))
    whole = work.journal.path.read_bytes()
    work.journal.path.write_bytes(whole[:-40])
    (found,) = read_journal(work.journal.path)
    assert np.array_equal(found.labels(np.dtype(np.uint16)), labels)


def test_changes_of_one_plane_and_of_the_list_alone_are_lines_that_all_versions_read(
    tmp_path: Path,
) -> None:
    work = JournaledLabels(tmp_path)
    work.apply(work.propagated(1, slice(5, 20), range(2, 3)))
    (kept,) = work.registry.of("labels 1")
    work.apply(ObjectEdit(work.store, removed=(kept,)))
    work.apply(ObjectEdit(work.store, added=(kept,)))
    work.apply(ObjectEdit(work.store))
    keys = ["format", "image", "canvas", "edit", "gone", "come"]
    assert [list(line) for line in work.lines] == [keys] * 3, "what changes nothing is no line"
    assert [line["format"] for line in work.lines] == [1, 1, 1]
    (found,) = read_journal(work.journal.path)
    assert [o.label for o in found.objects] == [1]
    assert np.array_equal(found.labels(np.dtype(np.uint16)), work.store.labels)


@pytest.mark.parametrize("name", ["cells", "stack"])
def test_a_change_of_one_plane_is_written_byte_for_byte_as_earlier_versions_wrote_it(
    name: str, tmp_path: Path
) -> None:
    lines = (JOURNALS / f"{name}.pisam.jsonl").read_bytes().splitlines(keepends=True)
    objects = dict[ObjectKey, KeptObject]()
    journal = Journal(tmp_path / "again")
    for line in lines:
        path = tmp_path / "line.pisam.jsonl"
        path.write_bytes(line)
        (found,) = read_journal(path)
        store = ArrayLabelStore(np.zeros(found.identity.shape), key=json.loads(line)["canvas"])
        gone = [(label, tuple(index)) for label, index in json.loads(line)["gone"]]
        removed = tuple(objects.pop(key) for key in gone)
        objects |= {o.key: o for o in found.objects}
        edit = ObjectEdit(store, found.edits, removed=removed, added=found.objects)
        journal.append(edit, found.identity)
    assert journal.path.read_bytes() == b"".join(lines)
