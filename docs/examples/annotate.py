"""A whole annotation by script: open an image, point, correct, keep, save.

Everything here also happens when a person clicks; the labels are the same.
Run it with `python docs/examples/annotate.py labels.tif`; the window stays open afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import napari

from napari_pisam import Box
from napari_pisam.export.labels_tiff import write_labels

# For each object where it is (row, column), and where a first mask would want correction.
OBJECTS = [
    ((126, 102), []),
    ((51, 215), []),
    ((194, 274), [(205, 262), (180, 284)]),
]
BOX = Box(y_min=240, x_min=225, y_max=287, x_max=265)


def annotate(viewer: Any, output: Path) -> Any:
    """Annotate four coins in that viewer, save the labels, and return the panel."""
    viewer.open_sample("napari-pisam", "coins")
    _, panel = viewer.window.add_plugin_dock_widget("napari-pisam", "Pi-SAM")
    panel.image = viewer.layers["coins"]

    for place, corrections in OBJECTS:
        # A point in the prompts layer is a click on the object.
        panel.prompts.add(place)
        panel.wait_idle(timeout=300)
        for correction in corrections:
            # Whether it adds or removes is read from the mask under it.
            panel.corrections.add(correction)
            panel.wait_idle(timeout=300)
        panel.keep()

    panel.session.set_box(BOX)
    panel.wait_idle(timeout=300)
    panel.keep()

    # Undo goes back through kept objects and clicks without computing anything; so does redo.
    panel.undo()
    panel.redo()

    for kept in panel.objects:
        model = f"by {kept.model} with {kept.clicks} clicks"
        viewer.status = f"Object {kept.label}: {kept.area} pixels, made {model}."
    write_labels(output, panel.labels.data)
    return panel


if __name__ == "__main__":
    annotate(napari.Viewer(), Path(sys.argv[1] if len(sys.argv) > 1 else "labels.tif"))
    napari.run()
