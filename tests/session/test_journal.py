from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from napari_pisam.masks.placed import PlacedMask
from napari_pisam.prompts import Box, Click, Prompt
from napari_pisam.session.journal import (
    JOURNALS_KEPT,
    SUFFIX,
    ImageIdentity,
    Journal,
    prompt_from,
    prompt_json,
    read_journal,
    restorable,
    tidy,
)
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.objects import KeptObject, ObjectEdit
from napari_pisam.session.options import Options
from tests.session.test_session import HEIGHT, WIDTH, Desktop

IDENTITY = ImageIdentity("cells", (2, HEIGHT, WIDTH))


def work(folder: Path) -> tuple[Desktop, Journal]:
    """A session in which most things happen, written to a journal."""
    desktop = Desktop()
    journal = Journal(folder)

    def write(edit: ObjectEdit) -> None:
        journal.append(edit, IDENTITY)

    session = desktop.session
    session.written.connect(write)
    for x in (40, 55, 90):
        session.click(Click(50, x, None))
        session.click(Click(50, x + 12, None))
        session.keep()
    session.undo()
    session.options = Options(overlap=Overlap.OVERWRITE)
    session.set_box(Box(45, 30, 60, 70))
    session.keep()
    session.remove(session.registry.of("array")[0], desktop.store)
    session.undo()
    session.click(Click(100, 100, None))
    session.keep()
    return desktop, journal


def test_replaying_a_journal_makes_the_labels_bit_for_bit(tmp_path: Path) -> None:
    desktop, journal = work(tmp_path)
    (restored,) = read_journal(journal.path)
    assert restored.identity == IDENTITY
    assert np.array_equal(restored.labels(np.dtype(np.uint16)), desktop.store.labels)
    kept = desktop.session.registry.of("array")
    assert {o.label for o in restored.objects} == {o.label for o in kept}
    by_label = {o.label: o for o in kept}
    for again in restored.objects:
        assert again.prompt == by_label[again.label].prompt
        assert again.mask == by_label[again.label].mask


@pytest.mark.parametrize("cut", range(1, 400, 37))
def test_a_journal_cut_off_by_a_crash_gives_what_was_written(tmp_path: Path, cut: int) -> None:
    _, journal = work(tmp_path)
    whole = journal.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.path.write_bytes(whole[:-cut])
    (restored,) = read_journal(journal.path)
    assert len(restored.edits) >= len(lines) - 1 - whole[-cut:].count(b"\n")


@pytest.mark.parametrize(
    "line",
    ["", "{}", "[1]", "not json", '{"format":1}', '{"format":99}', '{"format":1,"image":3}'],
)
def test_a_foreign_line_ends_the_reading_without_an_error(tmp_path: Path, line: str) -> None:
    _, journal = work(tmp_path)
    count = len(read_journal(journal.path)[0].edits)
    with journal.path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert len(read_journal(journal.path)[0].edits) == count


def test_kept_objects_come_back_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    desktop, journal = Desktop(), Journal(tmp_path)
    session = desktop.session

    def write(edit: ObjectEdit) -> None:
        journal.append(edit, IDENTITY)

    session.written.connect(write)
    session.options = Options(object_size=31.5)
    session.click(Click(50, 50, None))
    session.click(Click(50, 62, None))
    desktop.now = 7.25
    session.keep()
    session.options = Options()
    session.refine(PlacedMask(80, 20, np.ones((9, 14), np.bool_)))
    session.keep()
    (restored,) = read_journal(journal.path)

    def known(kept: KeptObject) -> tuple[object, ...]:
        return tuple(getattr(kept, f.name) for f in fields(kept))

    kept = session.registry.of("array")
    assert [known(o) for o in restored.objects] == [known(o) for o in kept]
    assert (kept[0].seconds, kept[0].object_size, kept[0].model) == (7.25, 31.5, "discs")
    assert kept[0].window is not None


def test_each_object_is_on_the_disk_as_soon_as_it_is_kept(tmp_path: Path) -> None:
    desktop, journal = Desktop(), Journal(tmp_path)

    def write(edit: ObjectEdit) -> None:
        journal.append(edit, IDENTITY)
        # what another process would find if this one ended now
        (found,) = read_journal(journal.path)
        assert np.array_equal(found.labels(np.dtype(np.uint16)), desktop.store.labels)

    desktop.session.written.connect(write)
    for x in (40, 70, 100):
        desktop.session.click(Click(50, x, None))
        desktop.session.keep()
    assert journal.path.read_bytes().count(b"\n") == 3


def test_of_several_journals_the_newest_that_ends_with_objects_is_offered(tmp_path: Path) -> None:
    for name, xs, undone in (("2024", (40, 70), 0), ("2025", (40, 70, 100), 0), ("2026", (40,), 1)):
        desktop, journal = Desktop(), Journal(tmp_path)
        journal.path = tmp_path / f"{name}0101-000000-00000000{SUFFIX}"

        def write(edit: ObjectEdit, journal: Journal = journal) -> None:
            journal.append(edit, IDENTITY)

        desktop.session.written.connect(write)
        for x in xs:
            desktop.session.click(Click(50, x, None))
            desktop.session.keep()
        for _ in range(undone):
            desktop.session.undo()
    found = restorable(tmp_path, IDENTITY)
    assert found is not None
    assert len(found.objects) == 3


def test_the_newest_journal_of_the_same_image_is_offered(tmp_path: Path) -> None:
    _, journal = work(tmp_path)
    assert restorable(tmp_path, IDENTITY, but=journal.path) is None
    assert restorable(tmp_path, ImageIdentity("cells", (2, 9, 9))) is None
    found = restorable(tmp_path, IDENTITY)
    assert found is not None
    assert len(found.objects) == 4


def test_a_session_that_keeps_nothing_leaves_no_file(tmp_path: Path) -> None:
    Journal(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_disk_that_fails_is_reported_and_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    desktop, journal = work(tmp_path / "file")
    assert journal.failed is not None
    assert "save your labels" in journal.failed
    assert len(desktop.objects) == 4


def test_old_journals_are_removed(tmp_path: Path) -> None:
    for i in range(JOURNALS_KEPT + 3):
        (tmp_path / f"{i:03}{SUFFIX}").write_text("")
    (tmp_path / "other.txt").write_text("")
    tidy(tmp_path)
    names = sorted(os.listdir(tmp_path))
    assert names[0] == f"003{SUFFIX}"
    assert "other.txt" in names


def test_prompts_survive_json() -> None:
    prompt = Prompt(
        points=(Click(1.5, 2, True), Click(3, 4, False)),
        box=Box(1, 2, 3, 4.5),
        mask=PlacedMask(3, 4, np.ones((2, 3), np.bool_)),
        corrections=(Click(1, 1, None), Click(2, 2, True)),
    )
    assert prompt_from(json.loads(json.dumps(prompt_json(prompt)))) == prompt
    assert prompt_from(json.loads(json.dumps(prompt_json(Prompt())))) == Prompt()
