"""A toy model with a window of 64 pixels: the real classes, seeded weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from napari_pisam.model.config import CONFIGS, DecoderKind
from napari_pisam.model.pisam import PiSam
from napari_pisam.predict.predictor import Predictor


def toy_model(kind: DecoderKind = "pi", *, again: bool = True) -> PiSam:
    """A toy whose interactor does something, as a trained one does.

    again: it answers corrections again, as the light models do and the published ones do not.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = PiSam(replace(CONFIGS["toy"], answers_again=again), kind)
        if kind == "pi":
            torch.nn.init.normal_(model.mask_decoder.interact_2.out_cov.weight, std=0.5)
    return model


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def toy() -> Predictor:
    return Predictor(toy_model(), name="toy", dtype="float32")


@pytest.fixture(scope="session")
def toy_published() -> Predictor:
    """Its interactor alone takes corrections."""
    return Predictor(toy_model(again=False), name="toy-published", dtype="float32")


@pytest.fixture(scope="session")
def toy_sam() -> Predictor:
    return Predictor(toy_model("sam"), name="toy-sam", dtype="float32")
