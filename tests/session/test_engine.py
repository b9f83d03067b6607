"""What goes from a request to the model and back, and what is computed once for many requests."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow, intensity_window
from napari_pisam.images.source import ArraySource, ImageSource
from napari_pisam.jobs import finish
from napari_pisam.predict import segmenter as segmenter_module
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Click, Prompt
from napari_pisam.session.engine import Engine
from napari_pisam.session.plane import ImagePlane, PlaneKey
from tests.evaluate.truth_predictor import TruthPredictor, squares

IMAGE: NDArray[np.uint8] = squares([30])
CLICK = Click(35, 35)


class Noting(TruthPredictor):
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


class Requests:
    """An engine with a model that notes, and requests with rising numbers."""

    def __init__(self) -> None:
        self.model, self.loaded, self.count = Noting(), 0, 0
        self.engine = Engine(self._load)

    def _load(self) -> Predictor:
        self.loaded += 1
        return cast(Predictor, self.model)

    def __call__(self, plane: ImagePlane, click: Click = CLICK, **more: Any) -> SegmentResult:
        self.count += 1
        request = SegmentRequest(
            self.count,
            plane.source,
            plane.cache_key,
            Prompt(points=(click,)),
            intensity=plane.intensity,
            channels=plane.channels,
            **more,
        )
        return finish(self.engine.steps(request))


@pytest.fixture
def requests() -> Requests:
    return Requests()


def test_a_result_carries_the_number_of_its_request_its_mask_in_the_image_and_the_models_name(
    requests: Requests,
) -> None:
    requests(plane_of())
    result = requests(plane_of(), object_size=30.0)
    assert (result.request_id, result.model, result.object_size) == (2, "truth", 30.0)
    assert np.array_equal(result.mask, IMAGE == 1)
    assert result.placed.mask.shape == (30, 30)
    assert result.prompt == Prompt(points=(CLICK,))


def test_the_model_is_loaded_when_it_is_first_needed_and_once(requests: Requests) -> None:
    assert requests.loaded == 0
    requests.engine.prepare()
    requests.engine.prepare()
    requests(plane_of())
    assert requests.loaded == 1


def test_intensities_that_are_given_reach_the_model_and_percentiles_of_the_plane_else(
    requests: Requests,
) -> None:
    displayed = IntensityWindow((3.0,), (77.0,))
    requests(plane_of(intensity=displayed))
    requests(plane_of())
    assert [intensity for intensity, _ in requests.model.shown[:1]] == [displayed]
    assert requests.model.shown[-1][0] == intensity_window(ArraySource(IMAGE))


def test_percentiles_of_a_plane_are_taken_once_and_anew_when_its_pixels_change(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[ImageSource] = []

    def counted(source: ImageSource) -> IntensityWindow:
        taken.append(source)
        return intensity_window(source)

    monkeypatch.setattr(segmenter_module, "intensity_window", counted)
    for _ in range(3):
        requests(plane_of())
    assert len(taken) == 1
    requests(plane_of(version="2"))
    requests(plane_of(key=PlaneKey("a", (3, None, None))))
    requests(plane_of(key=PlaneKey("b", (None, None))))
    assert len(taken) == 4


def test_the_channels_that_were_chosen_reach_the_model(requests: Requests) -> None:
    requests(plane_of(np.stack([IMAGE, IMAGE * 2], -1), channels=(1,)))
    assert {channels for _, channels in requests.model.shown} == {(1,)}


def test_a_window_or_a_size_that_is_given_is_taken(requests: Requests) -> None:
    given = Window(5, 6, 80, 80)
    assert requests(plane_of(), window=given).window == given
    assert requests.model.encoded == [given]
    sized = requests(plane_of(), object_size=33.0)
    assert sized.window.height == round(np.ceil(33 / requests.model.search_policy.aim))
    assert len(requests.model.encoded) == 2


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
    requests: Requests, change: dict[str, Any]
) -> None:
    window = Window(0, 0, 90, 90)
    requests(plane_of(), window=window)
    requests(plane_of(), Click(40, 40), window=window)
    assert requests.model.encoded == [window]
    other = squares([10])
    found = requests(plane_of(other, **change), Click(22, 22), window=window)
    assert requests.model.encoded == [window, window]
    assert np.array_equal(found.mask, other == 1)
