"""The published programs' answers are reproduced, decoder by decoder and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_pisam.model.config import CONFIGS
from napari_pisam.model.decoder import Masks, PiDecoder
from napari_pisam.model.loading import IncompleteModelWarning, load_decoder, load_pisam
from napari_pisam.model.pisam import PiSam, draw_published_rgb_embedding
from tests.model.seeded import seeded_image, seeded_inputs, seeded_weights

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TOLERANCE = 1e-3


def golden(name: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def decoder_state(encoder: str, tag: str, kind: Any = "pi") -> dict[str, Tensor]:
    """The names of a published file: no RGB embedding, but the constant of its click simulator."""
    fresh = PiDecoder(CONFIGS[encoder], kind).state_dict()
    state = {name: value for name, value in fresh.items() if not name.startswith("rgb_embed")}
    if kind == "pi":
        state["interact_2.bnd_op.laplacian_kernel"] = torch.zeros(1, 1, 3, 3)
    return seeded_weights(state, tag)


def assert_close(name: str, given: Tensor, wanted: NDArray[Any]) -> None:
    difference = np.abs(given.numpy() - wanted).max()
    assert difference < TOLERANCE, f"{name} is off by {difference}"


def assert_masks(masks: Masks, wanted: dict[str, NDArray[Any]]) -> None:
    assert_close("low", masks.low_res_logits, wanted["low"])
    assert_close("high", masks.logits[:, :, 3::8, 5::8], wanted["high"])
    assert float(masks.logits.mean()) == pytest.approx(float(wanted["high_mean"]), abs=TOLERANCE)
    assert float(masks.logits.std()) == pytest.approx(float(wanted["high_std"]), abs=TOLERANCE)
    positive = int((masks.logits > 0).sum())
    assert positive == pytest.approx(int(wanted["high_positive"]), abs=50)


def test_pi_decoder_gives_the_published_masks_without_clicks() -> None:
    with pytest.warns(IncompleteModelWarning, match="RGB embedding"):
        decoder = load_decoder(decoder_state("vit_b", "A"), encoder="vit_b")
    masks = decoder(**seeded_inputs("a1", 768, 1))
    assert_masks(masks, golden("pi_vit_b_noclick"))


def test_pi_decoder_gives_the_published_masks_with_clicks() -> None:
    wanted = golden("pi_vit_b_clicks")
    with pytest.warns(IncompleteModelWarning):
        decoder = load_decoder(decoder_state("vit_b", "A"), encoder="vit_b")
    masks = decoder(
        **seeded_inputs("a1", 768, 1),
        clicks_xy_unit=torch.from_numpy(wanted["clicks_xy"])[None],
        click_labels=torch.from_numpy(wanted["click_labels"])[None],
    )
    assert_masks(masks, wanted)


def test_padding_clicks_change_nothing() -> None:
    with pytest.warns(IncompleteModelWarning):
        decoder = load_decoder(decoder_state("vit_b", "A"), encoder="vit_b")
    state_inputs = seeded_inputs("a1", 768, 1)
    clicks = golden("pi_vit_b_clicks")
    xy = torch.from_numpy(clicks["clicks_xy"])[None]
    labels = torch.from_numpy(clicks["click_labels"])[None]
    feature = state_inputs["rgb"][:, :1, :256, :256].expand(-1, 32, -1, -1).contiguous()
    token = torch.ones(1, 1, 32)
    # the final attention sees padding in the published program too: only the blocks are compared
    real = decoder.interact_2.click_tokens(feature, xy, labels)
    padded = decoder.interact_2.click_tokens(
        feature,
        torch.cat([xy, torch.zeros(1, 2, 2)], 1),
        torch.cat([labels, torch.full((1, 2), -1)], 1),
    )
    assert torch.allclose(real, padded[:, :3], atol=1e-5)
    mask = torch.tensor([[[True] * 4 + [False] * 2]])
    rows = feature.flatten(2).transpose(1, 2)
    place = decoder.interact_2.img_pe.flatten(1).T[None]
    block = decoder.interact_2.transformer.layers[0]
    plain, _ = block(rows, place, torch.cat([token, real], 1), mask=None)
    masked, _ = block(rows, place, torch.cat([token, padded], 1), mask=mask)
    assert torch.allclose(plain, masked, atol=1e-5)


def test_pi_decoder_of_vit_l_gives_the_published_masks_in_a_batch() -> None:
    with pytest.warns(IncompleteModelWarning):
        decoder = load_decoder(decoder_state("vit_l", "A"), encoder="vit_l")
    assert_masks(decoder(**seeded_inputs("a2", 1024, 2)), golden("pi_vit_l_batch2"))


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("token_only", [False, True])
def test_hq_decoder_gives_the_published_masks(multimask: bool, token_only: bool) -> None:
    wanted = golden("hq_vit_b")
    decoder = load_decoder(decoder_state("vit_b", "Q", "hq"), encoder="vit_b", kind="hq")
    inputs = seeded_inputs("q1", 768, 1)
    shared = decoder.window_feature(inputs["image_embeddings"], inputs["early_features"])
    prompt = {key: inputs[key] for key in ("image_pe", "sparse", "dense")}
    state = decoder.prompt_state(inputs["image_embeddings"], shared, **prompt)
    masks = decoder.best_low_res(state, multimask=multimask, hq_token_only=token_only)
    assert_close("masks", masks, wanted[f"masks_multi{int(multimask)}_only{int(token_only)}"])
    iou = state.iou[:, 1:].max(1, keepdim=True).values if multimask else state.iou[:, :1]
    assert_close("iou", iou, wanted[f"iou_multi{int(multimask)}"])


def test_the_whole_model_gives_the_published_masks() -> None:
    wanted = golden("whole_vit_b")
    fresh = PiSam(CONFIGS["vit_b"], "pi").state_dict()
    sam = {n: v for n, v in fresh.items() if n.startswith(("image_encoder.", "prompt_encoder."))}
    decoder = {
        n.removeprefix("mask_decoder."): v
        for n, v in fresh.items()
        if n.startswith("mask_decoder.")
    }
    model = load_pisam(
        sam=seeded_weights(sam, "A"), pi=seeded_weights(decoder, "A"), encoder="vit_b"
    )
    pixels = torch.from_numpy(seeded_image("a3")).permute(2, 0, 1)[None]
    normalised = model.normalise_and_pad(pixels)
    embedding, early = model.encode(normalised)
    assert_close("embedding", embedding[:, ::8, ::4, ::4], wanted["embedding"])
    assert_close("early", early[:, ::4, ::4, ::16], wanted["early"])
    assert_close("rgb", model.rgb_feature(normalised)[:, :, 5::64, 3::64], wanted["rgb"])
    box = torch.from_numpy(wanted["box_xyxy"])[None]
    masks = model(pixels, boxes_xyxy_input=box)
    assert_close("low", masks.low_res_logits, wanted["low"])
    assert_close("high", masks.logits[:, :, 3::8, 5::8], wanted["high"])
    corrected = model(
        pixels,
        boxes_xyxy_input=box,
        clicks_xy_unit=torch.from_numpy(wanted["clicks_xy"])[None],
        click_labels=torch.from_numpy(wanted["click_labels"])[None],
    )
    assert_close("high_clicks", corrected.logits[:, :, 3::8, 5::8], wanted["high_clicks"])


@pytest.mark.parametrize("encoder", ["vit_b", "vit_l", "vit_h"])
def test_the_rgb_embedding_is_drawn_as_published_bit_for_bit(encoder: str) -> None:
    wanted = golden("rgb_embed_seed42")
    for name, value in draw_published_rgb_embedding(CONFIGS[encoder]).items():
        assert np.array_equal(value.numpy(), wanted[f"{encoder}.{name}"])


def test_drawing_the_rgb_embedding_leaves_the_callers_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    draw_published_rgb_embedding(CONFIGS["toy_vit"])
    assert torch.equal(torch.rand(3), expected)
