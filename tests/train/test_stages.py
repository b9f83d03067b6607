"""Each stage: its loss goes down on one batch, and it moves what it may and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_pisam.datasets.labelled import find_pairs
from napari_pisam.model.config import config_of
from napari_pisam.model.layers import normalise
from napari_pisam.model.pisam import PiSam
from napari_pisam.train.batches import StepBatch, StepDataset
from napari_pisam.train.config import ConfigError, TrainConfig
from napari_pisam.train.corrections import clicks_on_errors, padded_clicks, with_result
from napari_pisam.train.crops import CropSampler, CropStyle
from napari_pisam.train.optimisation import Average, learning_rate_scale, parameter_groups
from napari_pisam.train.pi_step import PiExample
from napari_pisam.train.prompting import DrawnPrompts
from napari_pisam.train.stages import LOSSES, MOST_PASSES, StageStep
from tests.train.conftest import DISCS

Configured = Callable[..., TrainConfig]


def one_batch(root: Path, **style: Any) -> StepBatch:
    drawn = CropStyle(size=64, objects=2, window="whole", augment="none", **style)
    sampler = CropSampler([(1.0, find_pairs(root, DISCS))], drawn)
    return StepDataset(sampler, crops=2, low=16, prompts={"box": 1.0}, seed=(1, 0))[0]


def toy(seed: int = 3) -> PiSam:
    torch.manual_seed(seed)
    return PiSam(config_of("toy"), "pi")


def learn(model: PiSam, config: TrainConfig, batch: StepBatch, steps: int) -> list[float]:
    step = StageStep(model, config)
    optimizer = torch.optim.AdamW(parameter_groups(model, config), weight_decay=0)
    model.eval()
    totals = []
    for _ in range(steps):
        loss = step(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        totals.append(float(loss.total.detach()))
    return totals


def mistaken(batch: StepBatch) -> StepBatch:
    """The same pictures and prompts, and another truth: there is something to correct."""
    return batch._replace(masks=batch.masks.roll(14, 2))


@pytest.fixture(scope="module")
def taught(data_root: Path) -> PiSam:
    """A model that knows one batch by heart."""
    torch.set_num_threads(1)
    model = toy()
    rates = {"mask_decoder": 3e-3, "image_encoder": 3e-3, "mask_decoder.interact_2": 0.0}
    config = TrainConfig(
        "taught", "decoder", (DISCS,), "toy", learning_rates=rates, losses=("low", "high")
    )
    learn(model, config, one_batch(data_root), 50)
    return model


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("encoder", {}),
        ("decoder", {}),
        ("decoder", {"feature_crop": 8}),
        ("decoder", {"feature_crop": 8, "losses": ("sam", "low")}),
    ],
)
def test_a_stage_lowers_its_loss_on_one_batch(
    data_root: Path, configured: Configured, stage: str, changes: dict[str, Any]
) -> None:
    config = configured(stage, second_pass=0.0, **changes)
    model = toy()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    totals = learn(model, config, one_batch(data_root), 20)
    assert min(totals[-3:]) < 0.9 * totals[0]
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    rates = config.learning_rates
    allowed = {
        k
        for k in before
        for best in [max((p for p in rates if k.startswith(p)), key=len, default="")]
        if rates.get(best, 0)
    }
    assert moved
    assert moved <= allowed


def alone(batch: StepBatch, window: int) -> StepBatch:
    """One of a batch's windows with its own objects."""
    own = batch.window_of == window
    boxes = batch.prompts.boxes_xyxy_input
    assert boxes is not None
    return batch._replace(
        pixels=batch.pixels[window : window + 1],
        window_of=torch.zeros(int(own.sum()), dtype=torch.long),
        masks=batch.masks[own],
        prompts=batch.prompts._replace(boxes_xyxy_input=boxes[own]),
    )


def test_every_object_is_decoded_in_its_own_window(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, model = one_batch(data_root), toy().eval()
    step = StageStep(model, configured("decoder", second_pass=0.0))
    answer, asked = model.mask_decoder.prompt_state, []

    def noted(embedding: torch.Tensor, feature: torch.Tensor, **prompts: Any) -> Any:
        asked.append((embedding, feature))
        return answer(embedding, feature, **prompts)

    monkeypatch.setattr(model.mask_decoder, "prompt_state", noted)
    step(batch)
    embedding, early = model.encode(normalise(batch.pixels))
    feature = model.mask_decoder.window_feature(embedding, early)
    assert not torch.allclose(feature[0], feature[1], atol=1e-3)
    ((embedding_given, feature_given),) = asked
    assert batch.window_of.tolist() == [0, 0, 1, 1]
    for row, window in enumerate(batch.window_of.tolist()):
        assert torch.allclose(embedding_given[row], embedding[window], atol=1e-5)
        assert torch.allclose(feature_given[row], feature[window], atol=1e-5)


def test_the_high_resolution_step_sees_an_object_with_its_own_pixels(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = one_batch(data_root)
    step = StageStep(toy().eval(), configured("decoder", second_pass=0.0, high_objects=2))
    seen: list[PiExample] = []

    def none_of(examples: list[PiExample]) -> list[PiExample]:
        seen.extend(examples)
        return []

    monkeypatch.setattr(step.pi, "groups", none_of)
    step(batch)
    for i, example in enumerate(seen):
        part = alone(batch, i)
        assert torch.equal(example.normalised, normalise(part.pixels))
        assert torch.equal(example.target[0, 0] * 255, part.masks[0].float())
        assert len(example.target) == 1
    assert len(seen) == 2


@pytest.mark.parametrize(
    "changes",
    [{}, {"feature_crop": 8, "context": "window"}, {"feature_crop": 8, "context": "crop"}],
)
def test_the_interactor_lowers_its_loss_and_leaves_everything_else_bit_equal(
    data_root: Path, configured: Configured, taught: PiSam, changes: dict[str, Any]
) -> None:
    model = copy.deepcopy(taught)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    config = configured("interactor", second_pass=0.0, **changes)
    totals = learn(model, config, mistaken(one_batch(data_root)), 25)
    assert totals[0] > 0
    assert min(totals[-3:]) < 0.9 * totals[0]
    for name, value in model.state_dict().items():
        inside = name.startswith("mask_decoder.interact_2.")
        assert torch.equal(value, before[name]) or inside, name


def test_a_frozen_encoder_builds_no_graph(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, graphs = toy(), []
    encode = model.encode

    def watched(pixels: torch.Tensor) -> Any:
        graphs.append(torch.is_grad_enabled())
        return encode(pixels)

    monkeypatch.setattr(model, "encode", watched)
    learn(model, configured("decoder"), one_batch(data_root), 1)
    assert graphs == [False]
    rates = {"image_encoder": 1e-3, "mask_decoder": 1e-3}
    learn(model, configured("decoder", learning_rates=rates), one_batch(data_root), 1)
    assert graphs == [False, True]


def test_no_error_means_no_loss_but_still_a_gradient(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_pisam.train.pi_step.clicks_on_errors",
        lambda *args: clicks_on_errors(args[0] * 0 - 1, args[1] * 0, args[2]),
    )
    model = toy()
    step = StageStep(model, configured("interactor", second_pass=0.0))
    parameter_groups(model, step.config)
    loss = step(one_batch(data_root))
    loss.total.backward()
    assert float(loss.total.detach()) == 0
    assert "corrected" not in loss.parts
    assert model.mask_decoder.interact_2.out_cov.weight.grad is not None


def test_losses_can_be_chosen(data_root: Path, configured: Configured) -> None:
    batch = one_batch(data_root)
    both = StageStep(toy(), configured("decoder", losses=("low", "high")))(batch)
    assert float(both.total.detach()) == pytest.approx(
        float(both.parts["low"] + both.parts["high"])
    )
    usual = StageStep(toy(), configured("decoder"))(batch)
    wanted = sum(float(usual.parts[name]) for name in LOSSES["decoder"])
    assert float(usual.total.detach()) == pytest.approx(wanted, rel=1e-5)


def test_the_longest_prefix_sets_the_rate(configured: Configured) -> None:
    model = toy()
    rates = {"mask_decoder": 1e-3, "mask_decoder.out_act": 1e-2, "mask_decoder.rgb_embed": 0.0}
    groups = parameter_groups(model, configured(learning_rates=rates))
    assert {g["lr"]: len(g["params"]) for g in groups}[1e-2] == len(
        list(model.mask_decoder.out_act.parameters())
    )
    assert not model.mask_decoder.rgb_embed[0].weight.requires_grad
    assert not next(model.image_encoder.parameters()).requires_grad


def test_rates_that_fit_nothing_are_refused(configured: Configured) -> None:
    with pytest.raises(ConfigError, match="'mask_decodr'"):
        parameter_groups(toy(), configured(learning_rates={"mask_decodr": 1.0}))
    with pytest.raises(ConfigError, match="freezes every parameter"):
        parameter_groups(toy(), configured(learning_rates={"mask_decoder": 0.0}))


def test_the_rate_warms_up_and_falls_to_its_floor(configured: Configured) -> None:
    config = configured(steps=110, warmup=10, floor=0.1)
    assert learning_rate_scale(4, config) == pytest.approx(0.5)
    assert learning_rate_scale(10, config) == pytest.approx(1)
    assert learning_rate_scale(60, config) == pytest.approx(0.55)
    assert learning_rate_scale(110, config) == pytest.approx(0.1)
    assert learning_rate_scale(0, configured(warmup=0)) == pytest.approx(1)


def test_the_average_follows_the_weights(configured: Configured) -> None:
    model = toy()
    parameter_groups(model, configured("interactor"))
    average = Average(model, 0.5)
    weight: torch.Tensor = model.mask_decoder.interact_2.out_cov.weight
    with torch.no_grad():
        weight.fill_(1.0)
    average.update(model, 100)
    name = "mask_decoder.interact_2.out_cov.weight"
    assert average.weights(model)[name].flatten().tolist() == [0.5] * weight.numel()
    assert set(average.values) == {n for n, p in model.named_parameters() if p.requires_grad}


def test_clicks_lie_on_errors_and_have_the_true_sign() -> None:
    target, logits = torch.zeros(2, 1, 32, 32), torch.full((2, 1, 16, 16), -1.0)
    target[0, :, 4:24, 8:28] = 1
    drawn = clicks_on_errors(logits, target, np.random.default_rng(0))
    assert len(drawn[1][1]) == 0
    xy, labels = drawn[0]
    assert labels.tolist() == [1] * len(labels)
    assert ((xy > 8 / 32) & (xy < 28 / 32)).all()
    padded, flags = padded_clicks([*drawn[:1], (xy[:0], labels[:0])])
    assert padded.shape[0] == 2
    assert flags[1].tolist() == [-1] * len(labels)


def test_the_result_becomes_the_next_prompt_with_a_click_on_the_error() -> None:
    target = torch.zeros(2, 1, 16, 16)
    target[:, :, 2:14, 2:14] = 1
    logits = torch.full((2, 1, 16, 16), -20.0)
    logits[1] = target[1] * 40 - 20
    again, given = with_result(
        DrawnPrompts(None, None, None, None, True), logits, target, window=64
    )
    assert again.mask_input is not None
    assert again.mask_input.abs().max() == 12
    assert again.point_labels is not None
    assert again.point_labels.tolist() == [[1], [-1]]
    assert again.points_xy_input is not None
    x, y = again.points_xy_input[0, 0].tolist()
    assert 8 < x < 56
    assert 8 < y < 56
    assert torch.equal(given.labels, again.point_labels)
    assert torch.allclose(given.xy_unit * 64 - 0.5, again.points_xy_input)


def test_the_interactor_is_trained_on_the_clicks_that_sams_decoder_was_given(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, model = mistaken(one_batch(data_root)), toy().eval()
    prompts: list[dict[str, Any]] = []
    clicks: list[dict[str, Any]] = []
    embed, interact = model.encode_prompts, model.mask_decoder.interact_2.forward

    def embedded(**given: Any) -> Any:
        prompts.append(given)
        return embed(**given)

    def interacted(*given: Any, **named: Any) -> Any:
        clicks.append(named)
        return interact(*given, **named)

    monkeypatch.setattr(model, "encode_prompts", embedded)
    monkeypatch.setattr(model.mask_decoder.interact_2, "forward", interacted)
    changes: dict[str, Any] = {"feature_crop": 8, "context": "window", "high_objects": 8}
    StageStep(model, configured("interactor", second_pass=1.0, **changes))(batch)
    told = prompts[-1]
    answered, labels = told["points_xy_input"], told["point_labels"]
    assert labels.shape[1] == MOST_PASSES
    assert len(prompts) == 1 + MOST_PASSES
    wrong = [i for i in range(len(labels)) if (labels[i] >= 0).any()]
    assert wrong
    ((xy, flags),) = [(c["clicks_xy_unit"], c["click_labels"]) for c in clicks]
    for row, i in enumerate(wrong):
        own, given = labels[i] >= 0, flags[row] >= 0
        assert torch.equal(flags[row][given], labels[i][own])
        assert torch.allclose(xy[row][given] * 64 - 0.5, answered[i][own], atol=1e-4)


def test_the_interactor_of_a_published_model_is_trained_on_the_errors_that_are_left(
    data_root: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    model = PiSam(replace(config_of("toy"), answers_again=False), "pi").eval()
    asked: list[int] = []

    def noted(*given: Any) -> Any:
        asked.append(len(given[0]))
        return clicks_on_errors(*given)

    monkeypatch.setattr("napari_pisam.train.pi_step.clicks_on_errors", noted)
    StageStep(model, configured("interactor", second_pass=1.0))(mistaken(one_batch(data_root)))
    assert sum(asked) > 0
