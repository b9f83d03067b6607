"""Which number format a device gets."""

from __future__ import annotations

import pytest
import torch

from napari_pisam.model import policy
from napari_pisam.model.policy import choose_device, choose_dtype

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize(("there", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_takes_bfloat16_only_where_it_is_in_the_hardware(
    there: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "cpu_has_bf16", lambda: there)
    assert choose_dtype("auto", CPU) == dtype


@pytest.mark.parametrize(("there", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_graphics_card_without_bfloat16_takes_float16(
    there: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(*, including_emulation: bool = True) -> bool:
        return there or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert choose_dtype("auto", CUDA) == dtype


def test_where_nothing_is_known_to_be_quicker_numbers_stay_float32() -> None:
    assert choose_dtype("auto", MPS) == torch.float32


def test_a_named_format_is_taken_and_an_unknown_one_is_refused() -> None:
    assert choose_dtype("float16", CPU) == torch.float16
    with pytest.raises(ValueError, match="there are auto, float32, bfloat16, float16"):
        choose_dtype("int8", CPU)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no device 'cuda:1' here; there is cpu"):
        choose_device("cuda:1")
