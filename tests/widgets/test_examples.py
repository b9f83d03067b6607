"""The scripts of the documentation."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np

from napari_pisam.images.labels import read_labels

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_annotation_script(make_napari_viewer: Any, tmp_path: Path) -> None:
    annotate = runpy.run_path(str(EXAMPLES / "annotate.py"))["annotate"]
    viewer = make_napari_viewer(show=False)
    panel = annotate(viewer, tmp_path / "labels.tif")
    try:
        labels = read_labels(tmp_path / "labels.tif")
        assert labels.shape == (303, 384)
        assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
        assert labels[126, 102] == 1
        assert labels[51, 215] == 2
        assert labels[263, 244] == 4
        assert [kept.clicks for kept in panel.objects] == [1, 1, 3, 1]
        assert viewer.status.startswith("Object 4: ")
    finally:
        panel.close_work()
