"""What a journal's lines look like, and that journals of earlier versions are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pisam.session.journal import ImageIdentity, Restored, read_journal
from napari_pisam.session.label_edit import KeptObject

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
