"""A widget of one's own: something finds the objects, `segment_points` cuts them out.

Run it with `python docs/examples/own_widget.py`.
"""

from typing import Any

import napari
import numpy as np
from magicgui import magicgui
from napari.layers import Image, Labels, Points
from skimage.feature import peak_local_max
from skimage.filters import gaussian

from napari_pisam.widgets.viewer.segment_points import segment_points


# --8<-- [start:widget]
@magicgui(call_button="Cut out bright spots", distance={"max": 1000})
def bright_objects(image: Image, distance: int = 30, most: int = 12) -> Labels:
    """One object at each of the brightest spots that are `distance` pixels apart."""
    smooth = gaussian(np.asarray(image.data), distance / 6)
    spots = peak_local_max(smooth, min_distance=distance, num_peaks=most)
    prompts = Points(
        spots,
        features={"group": np.arange(1, len(spots) + 1)},
        scale=image.scale,
        units=image.units,
    )
    return segment_points(image, prompts, model="pisam-tiny")


# --8<-- [end:widget]


def show(viewer: Any) -> Any:
    """Open synthetic tissue and dock the widget."""
    viewer.open_sample("napari-pisam", "tissue")
    viewer.window.add_dock_widget(bright_objects, name="Bright spots")
    return bright_objects


if __name__ == "__main__":
    show(napari.Viewer())
    napari.run()
