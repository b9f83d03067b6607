"""Segment from Python alone: numpy in, numpy out, neither napari nor Qt.

Run it with `python docs/examples/python_api.py`.
"""

from __future__ import annotations

import sys

# --8<-- [start:one]
from skimage import data

import napari_pisam as pisam

image = data.coins()
predictor = pisam.load_predictor("pisam-tiny")

prompt = pisam.Prompt(points=(pisam.Click(y=195, x=275),))
result = predictor.segment(image, prompt)
mask = result.mask  # bool, the image's height and width
# --8<-- [end:one]

# --8<-- [start:correct]
# None: the opposite of what the mask says there.
wrong = pisam.Click(y=207, x=259, positive=None)
corrected = pisam.Prompt(points=prompt.points, corrections=(wrong,))
better = predictor.segment(image, corrected)
adds = better.prompt.corrections[0].positive  # what None was found to mean
# --8<-- [end:correct]

# --8<-- [start:embed]
# The encoder once, then any number of prompts within that square.
embedding = predictor.embed(image, pisam.Window(y=0, x=0, height=192, width=192))
boxes = [pisam.Box(33, 21, 77, 66), pisam.Box(38, 80, 74, 121)]
found = predictor.predict_many(embedding, [pisam.Prompt(box=box) for box in boxes])
boxed = [one.mask for one in found]
# --8<-- [end:embed]

if __name__ == "__main__":
    areas = [int(mask.sum()) for mask in (mask, better.mask, *boxed)]
    sys.stdout.write(f"Areas, pixels: {areas}; the correction adds: {adds}\n")
