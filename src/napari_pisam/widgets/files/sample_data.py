"""Sample data: real images that scikit-image ships, and synthetic tissue with its ground truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_pisam.datasets.synthetic import SyntheticTissue

LayerData = tuple[Any, dict[str, Any], str]

SMALL_SIDE, LARGE_SIDE, HUGE_SIDE = 1024, 8192, 32_768
# What a synthetic pixel spans, so that its cells are 10 micrometres apart.
MICROMETRES = 0.25


def cell() -> list[LayerData]:
    """A cell in a light microscope: 660 x 550, gray."""
    from skimage import data

    return [_layer(data.cell, "cell")]


def coins() -> list[LayerData]:
    """Greek coins from Pompeii: 303 x 384, gray."""
    from skimage import data

    return [_layer(data.coins, "coins")]


def immunohistochemistry() -> list[LayerData]:
    """Colonic glands, immunostained: 512 x 512, RGB."""
    from skimage import data

    return [_layer(data.immunohistochemistry, "glands")]


def retina() -> list[LayerData]:
    """A retina with its vessels: 1411 x 1411, RGB."""
    from skimage import data

    return [_layer(data.retina, "retina")]


def galaxies() -> list[LayerData]:
    """The Hubble extreme deep field: 872 x 1000, RGB."""
    from skimage import data

    return [_layer(data.hubble_deep_field, "galaxies")]


def synthetic_tissue() -> list[LayerData]:
    """Synthetic tissue of 1024 pixels: nuclei, membranes, and the true cells and nuclei."""
    from napari_pisam.datasets.synthetic import SyntheticTissue
    from napari_pisam.geometry import Window

    tissue = SyntheticTissue(SMALL_SIDE, SMALL_SIDE)
    region = tissue.region(Window(0, 0, SMALL_SIDE, SMALL_SIDE))
    arrays = {
        "cell labels": region.cells,
        "nucleus labels": region.nuclei,
        "membranes": region.pixels[..., 1].copy(),
        "nuclei": region.pixels[..., 0].copy(),
    }
    return _tissue_layers(arrays, multiscale=False)


def large_synthetic_tissue() -> list[LayerData]:
    """Synthetic tissue of 8192 pixels, computed where it is shown: a lazy pyramid."""
    from napari_pisam.datasets.synthetic import SyntheticTissue

    return tissue_layers(SyntheticTissue(LARGE_SIDE, LARGE_SIDE))


def huge_synthetic_tissue() -> list[LayerData]:
    """Synthetic tissue of 32768 pixels: the same, 2 GB a channel if it were all computed."""
    from napari_pisam.datasets.synthetic import SyntheticTissue

    return tissue_layers(SyntheticTissue(HUGE_SIDE, HUGE_SIDE))


def tissue_layers(tissue: SyntheticTissue) -> list[LayerData]:
    """Lazy layers of synthetic tissue of any size, its ground truth among them."""
    arrays = {
        "cell labels": tissue.levels("cell labels"),
        "nucleus labels": tissue.levels("nucleus labels"),
        "membranes": tissue.levels("membranes"),
        "nuclei": tissue.levels("nuclei"),
    }
    several = len(tissue.steps) > 1
    return _tissue_layers(
        {kind: levels if several else levels[0] for kind, levels in arrays.items()},
        multiscale=several,
    )


def _tissue_layers(arrays: dict[str, Any], *, multiscale: bool) -> list[LayerData]:
    placed = {
        "scale": (MICROMETRES, MICROMETRES),
        "units": ("micrometer", "micrometer"),
        "multiscale": multiscale,
    }
    shown = {
        "membranes": {"colormap": "magenta", "contrast_limits": (200, 6000)},
        "nuclei": {"colormap": "green", "contrast_limits": (200, 9000)},
    }
    # The truth is for comparison and not for the work itself: hidden, and below, so
    # that napari selects an image, which it does with the layer it adds last.
    return [
        (data, {"name": f"tissue {kind}", **placed, "blending": "additive", **shown[kind]}, "image")
        if kind in shown
        else (data, {"name": f"true {kind}", **placed, "visible": False}, "labels")
        for kind, data in arrays.items()
    ]


def _layer(shipped: Callable[[], NDArray[Any]], name: str) -> LayerData:
    """An image that scikit-image ships, as a layer; nothing is downloaded."""
    pixels = shipped()
    return pixels, {"name": name, "rgb": pixels.ndim == 3}, "image"
