"""Files and state dicts become models: what a file lacks is told, what was chosen is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from napari_pisam.model.checkpoint import CheckpointError, write_pisam
from napari_pisam.model.config import CONFIGS, DecoderKind, ModelConfig
from napari_pisam.model.decoder import ClickOrder
from napari_pisam.model.loading import (
    IncompleteModelWarning,
    architecture_of,
    config_from,
    load_decoder,
    load_model,
    load_pisam,
)
from napari_pisam.model.pisam import PiSam, draw_published_rgb_embedding

TOY = "toy_vit"


def model_of(kind: DecoderKind) -> PiSam:
    """A toy of SAM's own classes whose interactor does something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        made = PiSam(CONFIGS[TOY], kind).eval()
        if kind == "pi":
            torch.nn.init.normal_(made.mask_decoder.interact_2.out_cov.weight, std=0.5)
    return made


def decoder_state(model: PiSam, *, without: str = "nothing") -> dict[str, Tensor]:
    state: dict[str, Tensor] = model.mask_decoder.state_dict()
    return {name: value for name, value in state.items() if not name.startswith(without)}


PICTURE = torch.randint(0, 256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
BOX = torch.tensor([[5.0, 8.0, 40.0, 50.0]])
XY, LABELS = torch.tensor([[[0.2, 0.7], [0.6, 0.4]]]), torch.tensor([[1, 0]])


def corrected(model: PiSam, xy: Tensor) -> Tensor:
    with torch.no_grad():
        found = model(PICTURE, boxes_xyxy_input=BOX, clicks_xy_unit=xy, click_labels=LABELS)
    logits: Tensor = found.logits
    return logits


@pytest.mark.parametrize("order", ["xy", "yx"])
def test_a_decoder_loaded_with_a_sam_gets_clicks_in_the_order_it_was_trained_with(
    order: ClickOrder,
) -> None:
    pi = model_of("pi")
    loaded = load_pisam(
        sam=model_of("sam").state_dict(), pi=decoder_state(pi), encoder=TOY, click_order=order
    )
    assert not loaded.training
    plain = load_pisam(sam=model_of("sam").state_dict(), pi=decoder_state(pi), encoder=TOY)
    told = XY if order == "xy" else XY.flip(-1)
    assert torch.allclose(corrected(loaded, XY), corrected(plain, told), atol=1e-5)
    assert not torch.allclose(corrected(plain, XY), corrected(plain, XY.flip(-1)), atol=1e-3)


def test_a_decoder_without_an_interactor_warns_and_takes_no_corrections() -> None:
    state = decoder_state(model_of("pi"), without="interact_2.")
    with pytest.warns(IncompleteModelWarning, match="no Precise Interactor"):
        decoder = load_decoder(state, encoder=TOY)
    assert not decoder.interacts
    assert load_decoder(decoder_state(model_of("pi")), encoder=TOY).interacts


def test_an_rgb_embedding_missing_in_a_file_is_the_published_one_with_a_warning() -> None:
    with pytest.warns(IncompleteModelWarning, match="RGB embedding"):
        decoder = load_decoder(decoder_state(model_of("pi"), without="rgb_embed."), encoder=TOY)
    for name, value in draw_published_rgb_embedding(CONFIGS[TOY]).items():
        assert torch.equal(decoder.rgb_embed.state_dict()[name], value)


@pytest.mark.parametrize("kind", ["sam", "hq"])
def test_a_whole_sam_or_hq_sam_uses_its_own_decoder(kind: DecoderKind) -> None:
    model = model_of(kind)
    loaded = load_pisam(sam=model.state_dict(), pi=None, encoder=TOY)
    assert loaded.kind == kind
    with torch.no_grad():
        got, want = (m(PICTURE, boxes_xyxy_input=BOX).logits for m in (loaded, model))
    assert torch.equal(got, want)


def written(path: Path, model: PiSam, architecture: object) -> Path:
    metadata = {
        "architecture": architecture,
        "window": 64,
        "licence": "for tests",
        "training": {},
        "version": "0",
    }
    write_pisam(path, model.state_dict(), metadata)
    return path


def test_a_model_of_ours_gives_the_same_masks_after_writing_and_loading(tmp_path: Path) -> None:
    model = model_of("pi")
    path = written(tmp_path / "toy.safetensors", model, architecture_of(model.config))
    loaded = load_model(path)
    assert (loaded.config, loaded.kind) == (model.config, "pi")
    assert torch.equal(corrected(loaded, XY), corrected(model, XY))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_an_architecture_survives_json(config: ModelConfig) -> None:
    described = architecture_of(config)
    described["encoder"]["global_blocks"] = list(described["encoder"]["global_blocks"])
    assert config_from(described) == config


def test_an_architecture_of_another_version_is_one_sentence(tmp_path: Path) -> None:
    model = model_of("pi")
    for name, change in (
        ("more", {"wings": 2}),
        ("less", {"encoder": {}}),
        ("none", {"encoder": None}),
    ):
        described = {**architecture_of(model.config), **change}
        path = written(tmp_path / f"{name}.safetensors", model, described)
        with pytest.raises(CheckpointError, match="another version of napari-pisam") as error:
            load_model(path)
        assert "\n" not in str(error.value)
