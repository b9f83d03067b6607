"""With the embedded model on real images: what is done for speed moves no outline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from skimage import data
from torch import Tensor

from napari_pisam import Box, Click, Prompt, Window, zoo
from napari_pisam.images.intensity import intensity_window
from napari_pisam.images.source import as_source
from napari_pisam.model.deform import Region
from napari_pisam.model.loading import load_model
from napari_pisam.model.policy import bf16_is_fast
from napari_pisam.model.region import answer_region
from napari_pisam.predict import prompt_decoder as decoding
from napari_pisam.predict.predictor import Predictor, SegmentResult
from napari_pisam.predict.results import Embedding


@dataclass(frozen=True)
class Object:
    """An object of a picture that scikit-image ships, and the window it is looked at in."""

    picture: str
    box: Box
    window: Window

    @property
    def prompt(self) -> Prompt:
        """The box."""
        return Prompt(box=self.box)

    @property
    def corrected(self) -> Prompt:
        """The box, then clicks in the middle of it and in a corner of it."""
        middle = Click((self.box.y_min + self.box.y_max) / 2, (self.box.x_min + self.box.x_max) / 2)
        corner = Click(self.box.y_min + 2, self.box.x_min + 2, False)
        return replace(self.prompt, corrections=(middle, corner))


OBJECTS = (
    Object("coins", Box(40, 38, 88, 90), Window(-11, -11, 150, 150)),
    Object("coins", Box(172, 20, 222, 75), Window(107, -43, 180, 180)),
    Object("coins", Box(117, 300, 158, 342), Window(60, 240, 160, 160)),
    Object("horse", Box(10, 10, 320, 390), Window(-735, -700, 1800, 1800)),
    Object("coffee", Box(60, 140, 330, 480), Window(-300, -200, 1000, 1000)),
)


def named(one: Object) -> str:
    return f"{one.picture}-{one.box.y_min}"


def tiny(*, dtype: str = "float32", everywhere: bool = False) -> Predictor:
    model = load_model(zoo.resolve(zoo.DEFAULT_MODEL))
    return Predictor(model, name="tiny", dtype=dtype, everywhere=everywhere)


@pytest.fixture(scope="module")
def plain() -> Predictor:
    return tiny()


def embedded(predictor: Predictor, one: Object) -> Embedding:
    image = getattr(data, one.picture)()
    if image.dtype == np.bool_:
        image = image.astype(np.uint8)
    return predictor.embed(image, one.window, intensity_window(as_source(image)))


def iou(a: SegmentResult, b: SegmentResult) -> float:
    one, other = a.logits > 0, b.logits > 0
    assert one.any()
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.skipif(not bf16_is_fast("cpu"), reason="bfloat16 is emulated on this CPU, slowly")
@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_bfloat16_answers_as_float32_does(plain: Predictor, one: Object) -> None:
    short = tiny(dtype="bfloat16")
    for prompt in (one.prompt, one.corrected):
        answers = [p.predict(embedded(p, one), prompt) for p in (plain, short)]
        assert not np.array_equal(answers[0].logits, answers[1].logits)
        assert iou(*answers) >= 0.995


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_looking_only_where_the_answer_can_be_answers_as_looking_everywhere_does(
    plain: Predictor, one: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny(everywhere=True)
    shares: list[float] = []
    found = answer_region

    def noted(low_res_logits: Tensor, points_xy_unit: Tensor) -> Region | None:
        region = found(low_res_logits, points_xy_unit)
        side = plain.model.config.low
        shares.append(1.0 if region is None else region.height * region.width / side**2)
        return region

    monkeypatch.setattr(decoding, "answer_region", noted)
    for prompt in (one.prompt, one.corrected):
        answers = [p.predict(embedded(p, one), prompt) for p in (plain, whole)]
        assert iou(*answers) >= 0.999
    # else nothing was compared
    assert len(shares) == 2
    assert min(shares) < 1
