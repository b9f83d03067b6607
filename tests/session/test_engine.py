"""What goes from a question to the model and back, and what is computed once for many questions."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow, intensity_window
from napari_pisam.images.source import ArraySource, ImageSource
from napari_pisam.jobs import finish
from napari_pisam.predict.predictor import Predictor
from napari_pisam.prompts import Click, Prompt
from napari_pisam.session import engine as engine_module
from napari_pisam.session.answer import Answer
from napari_pisam.session.engine import Engine
from napari_pisam.session.plane import Ask, ImagePlane, PlaneKey
from tests.evaluate.seer import Seer, squares

IMAGE: NDArray[np.uint8] = squares([30])
CLICK = Click(35, 35)


class Noting(Seer):
    """Notes through which intensity and which channels it was shown the image."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[IntensityWindow, tuple[int, ...] | None]] = []

    def embed_steps(
        self,
        source: ImageSource,
        window: Window,
        intensity: IntensityWindow,
        *,
        channels: tuple[int, ...] | None = None,
    ) -> Any:
        self.shown.append((intensity, channels))
        return (yield from super().embed_steps(source, window, intensity, channels=channels))


def plane_of(image: NDArray[np.uint8] = IMAGE, **changes: Any) -> ImagePlane:
    known = {"key": PlaneKey("a", (None, None)), "source": ArraySource(image), "version": "1"}
    return ImagePlane(**{**known, **changes})


class Asking:
    """An engine with a model that notes, and questions with rising numbers."""

    def __init__(self) -> None:
        self.model, self.loaded, self.asked = Noting(), 0, 0
        self.engine = Engine(self._load)

    def _load(self) -> Predictor:
        self.loaded += 1
        return cast(Predictor, self.model)

    def __call__(self, plane: ImagePlane, click: Click = CLICK, **more: Any) -> Answer:
        self.asked += 1
        return finish(self.engine.answer(Ask(self.asked, plane, Prompt(points=(click,)), **more)))


@pytest.fixture
def ask() -> Asking:
    return Asking()


def test_an_answer_carries_the_questions_number_its_mask_in_the_image_and_the_models_name(
    ask: Asking,
) -> None:
    ask(plane_of())
    answer = ask(plane_of(), object_size=30.0)
    assert (answer.ask_id, answer.model, answer.object_size) == (2, "seer", 30.0)
    assert np.array_equal(answer.mask.in_image(*IMAGE.shape), IMAGE == 1)
    assert answer.mask.mask.shape == (30, 30)
    assert answer.prompt == Prompt(points=(CLICK,))


def test_the_model_is_loaded_when_it_is_first_needed_and_once(ask: Asking) -> None:
    assert ask.loaded == 0
    ask.engine.prepare()
    ask.engine.prepare()
    ask(plane_of())
    assert ask.loaded == 1


def test_intensities_that_are_given_reach_the_model_and_percentiles_of_the_plane_else(
    ask: Asking,
) -> None:
    displayed = IntensityWindow((3.0,), (77.0,))
    ask(plane_of(intensity=displayed))
    ask(plane_of())
    assert [intensity for intensity, _ in ask.model.shown[:1]] == [displayed]
    assert ask.model.shown[-1][0] == intensity_window(ArraySource(IMAGE))


def test_percentiles_of_a_plane_are_taken_once_and_anew_when_its_pixels_change(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[ImageSource] = []

    def counted(source: ImageSource) -> IntensityWindow:
        taken.append(source)
        return intensity_window(source)

    monkeypatch.setattr(engine_module, "intensity_window", counted)
    for _ in range(3):
        ask(plane_of())
    assert len(taken) == 1
    ask(plane_of(version="2"))
    ask(plane_of(key=PlaneKey("a", (3, None, None))))
    ask(plane_of(key=PlaneKey("b", (None, None))))
    assert len(taken) == 4


def test_the_channels_that_were_chosen_reach_the_model(ask: Asking) -> None:
    ask(plane_of(np.stack([IMAGE, IMAGE * 2], -1), channels=(1,)))
    assert {channels for _, channels in ask.model.shown} == {(1,)}


def test_a_window_or_a_size_that_is_told_is_taken(ask: Asking) -> None:
    told = Window(5, 6, 80, 80)
    assert ask(plane_of(), window=told).window == told
    assert ask.model.encoded == [told]
    sized = ask(plane_of(), object_size=33.0)
    assert sized.window.height == round(np.ceil(33 / ask.model.looks.aim))
    assert len(ask.model.encoded) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"key": PlaneKey("b", (None, None))},
        {"key": PlaneKey("a", (7, None, None))},
    ],
    ids=["pixels", "image", "plane"],
)
def test_a_window_is_encoded_once_and_anew_for_other_pixels_images_and_planes(
    ask: Asking, change: dict[str, Any]
) -> None:
    window = Window(0, 0, 90, 90)
    ask(plane_of(), window=window)
    ask(plane_of(), Click(40, 40), window=window)
    assert ask.model.encoded == [window]
    other = squares([10])
    found = ask(plane_of(other, **change), Click(22, 22), window=window)
    assert ask.model.encoded == [window, window]
    assert np.array_equal(found.mask.in_image(*other.shape), other == 1)
