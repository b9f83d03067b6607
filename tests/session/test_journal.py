from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_pisam.prompts import Box, Click, PlacedMask, Prompt
from napari_pisam.session.book import BookEdit
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
from napari_pisam.session.keeping import Overlap
from napari_pisam.session.options import Options
from tests.session.test_session import HEIGHT, WIDTH, Desktop

IDENTITY = ImageIdentity("cells", (2, HEIGHT, WIDTH))


def work(folder: Path) -> tuple[Desktop, Journal]:
    """A session in which most things happen, written to a journal."""
    desktop = Desktop()
    journal = Journal(folder)

    def write(edit: BookEdit) -> None:
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
    session.remove(session.book.of("array")[0], desktop.canvas)
    session.undo()
    session.click(Click(100, 100, None))
    session.keep()
    return desktop, journal


def test_replaying_a_journal_makes_the_labels_bit_for_bit(tmp_path: Path) -> None:
    desktop, journal = work(tmp_path)
    (restored,) = read_journal(journal.path)
    assert restored.identity == IDENTITY
    assert np.array_equal(restored.labels(np.dtype(np.uint16)), desktop.canvas.labels)
    kept = desktop.session.book.of("array")
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


def test_a_disk_that_fails_is_told_and_the_work_goes_on(tmp_path: Path) -> None:
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
