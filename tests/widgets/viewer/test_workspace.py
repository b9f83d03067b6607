"""Commands and labels of a viewer without a window: what is kept stays, here and on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Click
from napari_pisam.session.journal import read_journal, restorable
from napari_pisam.widgets.viewer import layer_store as label_canvas
from napari_pisam.widgets.viewer.scheduling import Scheduler
from napari_pisam.widgets.viewer.workspace import Workspace
from tests.session.discs import DiscEngine


class Late:
    """A workspace whose questions are answered when a test says so."""

    def __init__(
        self, viewer: ViewerModel, folder: Path, *, scheduler: Scheduler | None = None
    ) -> None:
        self.work = Workspace(viewer, folder=folder, scheduler=scheduler)
        self.asks = list[SegmentRequest]()
        self.work.session.requested.connect(self.asks.append)

    def keep(self, y: int, x: int, *, answered: bool = True) -> None:
        self.work.session.click(Click(y, x, None))
        self.work.keep()
        if answered:
            self.answer()

    def answer(self) -> None:
        while self.asks:
            self.work.session.accept(DiscEngine().at_once(self.asks.pop(0)))


def test_an_object_kept_just_before_its_image_is_deleted_is_in_labels_and_journal(
    tmp_path: Path,
) -> None:
    viewer = ViewerModel()
    first = viewer.add_image(np.zeros((50, 60), np.uint8), name="first")
    late = Late(viewer, tmp_path)
    labels = late.work.view.label_layers.layer
    late.keep(20, 30, answered=False)
    viewer.add_image(np.zeros((90, 80), np.uint8), name="second")
    viewer.layers.remove(first)
    assert late.work.view.image is not first
    late.answer()
    assert labels is not None
    assert labels.data[20, 30] == 1
    (found,) = read_journal(late.work.journaling.journal.path)
    assert (found.identity.name, found.identity.shape) == ("first", (50, 60))
    assert np.array_equal(found.labels(np.dtype(np.uint16)), labels.data)


@pytest.mark.parametrize("scan", [0, label_canvas.SCAN_MAX_PIXELS])
def test_two_windows_and_a_brush_never_give_one_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: int
) -> None:
    monkeypatch.setattr(label_canvas, "SCAN_MAX_PIXELS", scan)
    viewer, other = ViewerModel(), ViewerModel()
    image = viewer.add_image(np.zeros((90, 120), np.uint8))
    one = Late(viewer, tmp_path)
    one.keep(20, 20)
    labels = one.work.view.label_layers.layer
    assert labels is not None
    other.layers.extend([image, labels])
    two = Late(other, tmp_path)
    two.work.view.label_layers.choose(labels)
    two.keep(20, 60)
    one.keep(60, 20)
    labels.selected_label = 7
    labels.paint((80, 110), 7)
    two.keep(60, 60)
    one.keep(60, 100)
    assert sorted(np.unique(labels.data)) == [0, 1, 2, 3, 7, 8, 9]


def test_only_the_rectangle_of_an_object_is_written(tmp_path: Path) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((400, 500), np.uint8))
    late = Late(viewer, tmp_path)
    labels = late.work.view.label_layers.layer
    assert labels is not None
    written: list[tuple[np.ndarray, ...]] = []
    labels.events.paint.connect(lambda event: written.extend(atom[0] for atom in event.value))
    late.keep(200, 300)
    ((rows, cols),) = written
    assert (rows.min(), rows.max()) == (188, 212)
    assert (cols.min(), cols.max()) == (288, 312)
    labels.undo()
    assert not labels.data.any()


def test_objects_of_a_process_that_was_killed_are_offered_again_pixel_for_pixel(
    tmp_path: Path,
) -> None:
    script = f"""
        import time
        from pathlib import Path
        import numpy as np
        from napari.components import ViewerModel
        from tests.widgets.viewer.test_workspace import Late
        viewer = ViewerModel()
        viewer.add_image(np.zeros((3, 90, 120), np.uint8), name="tissue")
        late = Late(viewer, Path({str(tmp_path)!r}))
        for plane, y, x in ((0, 20, 20), (2, 30, 60), (2, 34, 70)):
            viewer.dims.set_point(0, plane)
            late.keep(y, x)
        np.save(Path({str(tmp_path)!r}) / "labels.npy", late.work.view.label_layers.layer.data)
        print("kept", flush=True)
        time.sleep(600)
    """
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        process.send_signal(signal.SIGKILL)
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 90, 120), np.uint8), name="tissue")
    work = Workspace(viewer, folder=tmp_path)
    found = work.journaling.earlier_work(work.journaling.identity(image))
    assert found is not None
    assert len(found.objects) == 3
    work.restore(found)
    layer = work.view.label_layers.layer
    assert layer is not None
    assert np.array_equal(layer.data, np.load(tmp_path / "labels.npy"))
    assert [o.clicks for o in work.objects] == [1, 1, 1]
    again = restorable(tmp_path, work.journaling.identity(image))
    assert again is not None
    assert np.array_equal(again.labels(layer.data.dtype), layer.data)
