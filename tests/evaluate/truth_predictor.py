"""A stand-in predictor that knows the true mask, because the test images show it; such images."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_pisam.geometry import Window, square_window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ImageSource
from napari_pisam.masks.placed import PlacedMask
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.results import SegmentResult
from napari_pisam.predict.window_search import SearchPolicy
from napari_pisam.prompts import Prompt, prompt_centre

Labels = NDArray[np.uint8]


@dataclass
class SeenWindow:
    window: Window
    labels: Labels
    nbytes: int = 1
    blank: bool = False


class TruthPredictor:
    """Returns the pixels that have the value under the prompt, moved to the right.

    shift: by so many pixels, one less for each correction. Its low-resolution mask is moved one
    pixel further.
    """

    def __init__(self, shift: int = 0) -> None:
        self.name, self.device, self.dtype = "truth", "cpu", "float32"
        self.search_policy = SearchPolicy()
        self.shift = shift
        self.encoded: list[Window] = []

    def first_window(self, prompt: Prompt) -> Window:
        centre = prompt_centre(prompt)
        return square_window(centre.y, centre.x, 64)

    def embed_steps(
        self,
        source: ImageSource,
        window: Window,
        intensity: IntensityWindow,
        *,
        channels: tuple[int, ...] | None = None,
    ) -> Generator[str, None, SeenWindow]:
        yield "read"
        self.encoded.append(window)
        whole = Window(0, 0, source.height, source.width)
        return SeenWindow(window, source.read(whole)[..., 0])

    def predict_low_res(
        self, embedding: SeenWindow, prompt: Prompt
    ) -> tuple[NDArray[np.float32], float]:
        return _logits(embedding, prompt, self.shift), 0.9

    def predict(self, embedding: SeenWindow, prompt: Prompt) -> SegmentResult:
        shift = max(0, self.shift - len(prompt.corrections))
        height, width = embedding.labels.shape
        return SegmentResult(
            request_id=0,
            window=embedding.window,
            logits=_logits(embedding, prompt, shift),
            low_res_logits=_logits(embedding, prompt, shift + 1),
            score=0.9,
            image_height=height,
            image_width=width,
            prompt=prompt,
            intensity=IntensityWindow((0.0,), (255.0,)),
            model=self.name,
            device=self.device,
        )


def truth_predictor(shift: int = 0) -> Predictor:
    """A TruthPredictor where a Predictor is wanted."""
    return cast(Predictor, TruthPredictor(shift))


def _logits(seen: SeenWindow, prompt: Prompt, shift: int) -> NDArray[np.float32]:
    centre = prompt_centre(prompt)
    value = seen.labels[round(centre.y), round(centre.x)]
    moved = PlacedMask(-seen.window.y, shift - seen.window.x, seen.labels == value)
    mask = moved.in_image(seen.window.height, seen.window.width)
    return np.where(mask, 4, -4).astype(np.float32)


def squares(sides: Sequence[int], *, shape: tuple[int, int] = (90, 200)) -> Labels:
    """Label i + 1 is a square of side sides[i]; they stand in a row."""
    labels = np.zeros(shape, np.uint8)
    x = 20
    for value, side in enumerate(sides, 1):
        labels[20 : 20 + side, x : x + side] = value
        x += side + 20
    return labels


def write_source(root: Path, name: str, images: dict[str, Labels]) -> str:
    """Label maps as images and as masks under root/name; returns the source's TOML table."""
    for folder in ("images", "masks"):
        (root / name / folder).mkdir(parents=True, exist_ok=True)
    for stem, labels in images.items():
        Image.fromarray(labels).save(root / name / "images" / f"{stem}.png")
        Image.fromarray(labels.astype(np.uint16)).save(root / name / "masks" / f"{stem}.png")
    table: dict[str, Any] = {
        "name": name,
        "images": f"{name}/images",
        "masks": f"{name}/masks",
        "validation": "^held",
    }
    return "[[source]]\n" + "\n".join(f'{key} = "{value}"' for key, value in table.items()) + "\n"
