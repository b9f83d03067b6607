"""Many objects from a table, on an image of any size, without a window.

Run it with `python docs/examples/segment_table.py slide.ome.tif cells.csv labels.tif`. The table
has the columns group, y and x, in pixels of the image; rows of one group are points on one object.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from napari.components import ViewerModel
from napari.layers import Labels

from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.widgets.viewer.segment_points import segment_points


def segment_table(image_path: Path, table_path: Path, output: Path) -> Labels:
    """Cut out the objects of a table, save them, and return their layer."""
    # --8<-- [start:story]
    viewer = ViewerModel()
    # Pyramids stay on disk; only the squares round the objects are read.
    image = viewer.open(image_path, plugin="napari-pisam")[0]

    table = pd.read_csv(table_path)
    prompts = viewer.add_points(
        table[["y", "x"]].to_numpy(),
        features=table[["group"]],
        scale=image.scale,
        translate=image.translate,
        units=image.units,
    )

    labels = viewer.add_layer(segment_points(image, prompts))
    # Labels of a large image are a pyramid; its finest level is what is saved.
    write_labels(output, labels.data[0] if labels.multiscale else labels.data)
    # --8<-- [end:story]
    return labels


if __name__ == "__main__":
    segment_table(*map(Path, sys.argv[1:4]))
