"""A folder of images, each with a table of points: a labels file for each.

Run it with `python docs/examples/segment_folder.py images labels`. Beside `a.tif` lies `a.csv` with
the columns id, y and x.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import napari_pisam as pisam
from napari_pisam.export.labels_tiff import write_labels
from napari_pisam.images.read import read_image


def segment_folder(folder: Path, output: Path) -> list[str]:
    """Segment every image that has a table; return a sentence for each that failed."""
    # --8<-- [start:story]
    predictor = pisam.load_predictor("pisam-tiny")
    output.mkdir(exist_ok=True)
    failures = []
    for table in sorted(folder.glob("*.csv")):
        clicks = defaultdict(list)
        with open(table, newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                clicks[int(row["id"])].append(pisam.Click(float(row["y"]), float(row["x"])))
        try:
            image = read_image(table.with_suffix(".tif"))
            labels = np.zeros(image.shape[:2], np.uint32)
            for number, points in clicks.items():
                mask = predictor.segment(image, pisam.Prompt(points=tuple(points))).mask
                labels[mask & (labels == 0)] = number
            write_labels(output / f"{table.stem}.tif", labels)
        except (ValueError, OSError) as error:
            # Every error of the package is one sentence; the other images go on.
            failures.append(f"{table.stem}: {error}")
    # --8<-- [end:story]
    return failures


if __name__ == "__main__":
    for sentence in segment_folder(*map(Path, sys.argv[1:3])):
        sys.stderr.write(sentence + "\n")
