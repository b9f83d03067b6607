"""read_state tells what a file is, load_into is strict in one sentence, write_pisam is atomic."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_pisam.model import checkpoint as module_under_test
from napari_pisam.model.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_into,
    read_state,
    require,
    write_pisam,
)

METADATA = {
    "architecture": {"encoder": "toy", "depth": 2},
    "window": 64,
    "licence": "BSD-3-Clause",
    "training": {"steps": 10},
    "version": "1",
}
WIDTHS = {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}


def names_to_state(names: list[str]) -> dict[str, Tensor]:
    return {name: torch.ones(2, 2) for name in names}


def sam_decoder() -> dict[str, Tensor]:
    return names_to_state(
        [
            "transformer.norm_final_attn.weight",
            "iou_token.weight",
            "mask_tokens.weight",
            "output_upscaling.0.weight",
            "output_hypernetworks_mlps.0.layers.0.weight",
            "iou_prediction_head.layers.0.weight",
        ]
    )


def hq_decoder(width: int) -> dict[str, Tensor]:
    state = sam_decoder() | names_to_state(["hf_token.weight", "embedding_encoder.0.weight"])
    # One channel instead of 256 out keeps the files small; only the first number tells the size.
    return state | {"compress_vit_feat.0.weight": torch.ones(width, 1, 2, 2)}


def pi_decoder(width: int) -> dict[str, Tensor]:
    new = ["mask_aspp.conv_out.0.weight", "output_upscaling_2.0.weight", "out_act.0.weight"]
    return hq_decoder(width) | names_to_state(new)


def interactor() -> dict[str, Tensor]:
    return names_to_state(["interact_2.points_flag.weight", "interact_2.bnd_op.laplacian_kernel"])


def sam(width: int, decoder: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    state = {"image_encoder.patch_embed.proj.weight": torch.ones(width, 3, 1, 1)}
    state |= names_to_state(["prompt_encoder.no_mask_embed.weight"])
    return state | {f"mask_decoder.{k}": v for k, v in (decoder or sam_decoder()).items()}


def sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 300
    return text


def refused(source: Path | dict[str, Tensor]) -> str:
    with pytest.raises(CheckpointError) as error:
        read_state(source)
    return sentence(error)


# --- what a file is ---


@pytest.mark.parametrize(("encoder", "width"), WIDTHS.items())
def test_each_kind_and_size_is_known_from_names_and_shapes(
    encoder: str, width: int, tmp_path: Path
) -> None:
    states = {
        "sam": sam(width),
        "hq_sam": sam(width, hq_decoder(width)),
        "pi_decoder": pi_decoder(width),
        "hq_mask_decoder": hq_decoder(width),
    }
    for kind, state in states.items():
        path = tmp_path / f"{kind}.pth"
        torch.save(state, path)
        found = read_state(path)
        assert (found.kind, found.encoder, found.width) == (kind, encoder, width)
        assert found.path == path
        assert set(found.state) == set(state)


def test_sams_decoder_alone_is_known_and_has_no_encoder(tmp_path: Path) -> None:
    torch.save(sam_decoder(), tmp_path / "d.pth")
    found = read_state(str(tmp_path / "d.pth"))
    assert (found.kind, found.encoder, found.width) == ("sam_mask_decoder", None, None)


@pytest.mark.parametrize("with_interactor", [False, True])
@pytest.mark.parametrize("ddp", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_pi_decoders_load_bare_wrapped_and_from_ddp(
    with_interactor: bool, ddp: bool, wrapped: bool, tmp_path: Path
) -> None:
    plain = pi_decoder(768) | (interactor() if with_interactor else {})
    state = {f"module.{k}": v for k, v in plain.items()} if ddp else plain
    content = {"model_state_dict": state, "epoch": 3, "loss": 0.5} if wrapped else state
    torch.save(content, tmp_path / "pi.pth")
    found = read_state(tmp_path / "pi.pth")
    assert (found.kind, found.encoder) == ("pi_decoder", "vit_b")
    assert set(found.state) == set(plain)


def test_a_state_dict_in_memory_is_taken_as_it_is() -> None:
    state = pi_decoder(1024)
    found = read_state(state)
    assert (found.kind, found.encoder, found.path) == ("pi_decoder", "vit_l", None)
    assert all(found.state[k] is state[k] for k in state)


def test_a_toy_width_has_no_encoder_name() -> None:
    assert (read_state(pi_decoder(32)).encoder, read_state(pi_decoder(32)).width) == (None, 32)


def test_the_old_torch_format_loads_too(tmp_path: Path) -> None:
    torch.save(sam(768), tmp_path / "o.pth", _use_new_zipfile_serialization=False)
    assert read_state(tmp_path / "o.pth").kind == "sam"


def test_part_takes_the_prefix_off() -> None:
    assert set(read_state(sam(768)).part("mask_decoder.")) == set(sam_decoder())


# --- wrong files ---


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_pickle_is_never_run(form: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "marker"
    content = {**sam(768), "extra": Payload(marker)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    assert "is not loaded, because it may contain code" in refused(path)
    assert not marker.exists()


def test_a_whole_pickled_module_is_named_as_code(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pth")
    assert "torch.nn.modules.linear.Linear" in refused(tmp_path / "m.pth")


def test_a_torchscript_archive_is_named_as_code(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.save(sam(768), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("script/constants.pkl", b"")
    assert "is a TorchScript program" in refused(path)


def test_bytes_that_are_no_weights_are_named(tmp_path: Path) -> None:
    cases = {
        b"": "is empty",
        b"\xef\xbb\xbf\n <!DOCTYPE html><html>": "is a web page (HTML)",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "is a Git LFS pointer",
        b"plain words": "is no weights file",
        bytes(range(7, 200)): "is no weights file",
    }
    for content, words in cases.items():
        path = tmp_path / "file.pth"
        path.write_bytes(content)
        assert words in refused(path)


@pytest.mark.parametrize("length", [0x3C, 0x7B])
def test_a_safetensors_header_that_begins_with_a_less_than_sign_is_no_web_page(
    length: int, tmp_path: Path
) -> None:
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length)
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", length) + header + b"\1")
    assert "holds another network (its parts: a)" in refused(path)


def test_a_folder_and_a_missing_path_are_named(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)
    assert "There is no file" in refused(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_a_truncated_torch_file_is_named(new_format: bool, part: float, tmp_path: Path) -> None:
    path = tmp_path / "t.pth"
    torch.save(sam(768), path, _use_new_zipfile_serialization=new_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "truncated" in refused(path) or "may contain code" in refused(path)


def test_another_network_is_named_by_its_parts(tmp_path: Path) -> None:
    torch.save(names_to_state(["conv1.weight", "layer1.0.bias", "fc.bias"]), tmp_path / "r.pth")
    text = refused(tmp_path / "r.pth")
    assert "holds another network (its parts: conv1, fc, layer1)" in text
    many = names_to_state([f"block{i}.weight" for i in range(9)])
    assert "block4 and 4 more" in refused(many)


def test_a_sam_with_another_encoder_is_named() -> None:
    state = names_to_state(["image_encoder.patch_embed.seq.0.c.weight"])
    state |= names_to_state(
        ["prompt_encoder.no_mask_embed.weight", "mask_decoder.iou_token.weight"]
    )
    assert "not a ViT" in refused(state)


def test_what_is_no_state_dict_is_named(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "e.pth")
    assert "its entry 'epoch' is not a plain tensor" in refused(tmp_path / "e.pth")
    torch.save(torch.ones(3), tmp_path / "t.pth")
    assert "holds no network weights" in refused(tmp_path / "t.pth")
    assert "holds no network weights" in refused({})
    assert "not a plain tensor" in refused({"w": torch.ones(2, device="meta")})
    assert "not a plain tensor" in refused({"w": torch.ones(2, 2).to_sparse()})


def lying_headers() -> dict[str, bytes]:
    def framed(header: object, body: bytes, length: int | None = None) -> bytes:
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + body

    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return {
        "header longer than the file": framed({"w": entry}, b"\0" * 8, length=1 << 40),
        "data beyond the end": framed({"w": entry | {"data_offsets": [0, 4096]}}, b"\0" * 8),
        "shape larger than the data": framed({"w": entry | {"shape": [1 << 50]}}, b"\0" * 8),
        "unknown dtype": framed({"w": entry | {"dtype": "X9"}}, b"\0" * 8),
        "overlapping tensors": framed({"w": entry, "v": entry}, b"\0" * 8),
        "no JSON": struct.pack("<Q", 9) + b"{not json" + b"\0" * 8,
        "cut off": framed({"w": entry}, b"\0" * 3),
    }


@pytest.mark.parametrize("lie", lying_headers())
def test_a_safetensors_header_that_does_not_fit_its_content_is_named(
    lie: str, tmp_path: Path
) -> None:
    path = tmp_path / "lie.safetensors"
    path.write_bytes(lying_headers()[lie])
    assert "not a sound safetensors file" in refused(path)


def test_damage_anywhere_gives_a_sentence_or_a_state(tmp_path: Path) -> None:
    rng = random.Random(7)
    good = tmp_path / "good.pth"
    torch.save(sam_decoder(), good)
    write_pisam(tmp_path / "good.safetensors", sam_decoder(), METADATA)
    for original in (good, tmp_path / "good.safetensors"):
        content = original.read_bytes()
        damaged = tmp_path / f"damaged{original.suffix}"
        for _ in range(150):
            changed = bytearray(content[: rng.choice([len(content), rng.randrange(len(content))])])
            for _ in range(min(len(changed), 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            # A new file each time: the last one may still be mapped into memory.
            damaged.unlink(missing_ok=True)
            damaged.write_bytes(changed)
            # Any other exception fails the test.
            with contextlib.suppress(CheckpointError):
                read_state(damaged)


# --- is it what was asked for ---


def test_a_decoder_of_another_size_names_both() -> None:
    with pytest.raises(CheckpointError, match=r"Pi-SAM decoder for vit_l, .* asked for is vit_b"):
        require(read_state(pi_decoder(1024)), ["pi_decoder"], encoder="vit_b")
    with pytest.raises(CheckpointError, match="encoder of width 160"):
        require(read_state(pi_decoder(160)), ["pi_decoder"], encoder="vit_b")
    require(read_state(pi_decoder(1024)), ["pi_decoder"], encoder="vit_l")
    require(read_state(sam_decoder()), ["sam_mask_decoder"], encoder="vit_h")
    require(read_state(pi_decoder(16)), ["pi_decoder"], encoder="toy")


def test_a_wrong_kind_names_both(tmp_path: Path) -> None:
    torch.save(sam(768), tmp_path / "sam.pth")
    with pytest.raises(CheckpointError) as error:
        require(read_state(tmp_path / "sam.pth"), ["pi_decoder", "pisam"])
    assert sentence(error) == (
        "'sam.pth' is a whole SAM; a Pi-SAM decoder or a napari-pisam model was expected."
    )


# --- into a module ---


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)
        self.rgb_embed = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1))


def load_problem(state: dict[str, Tensor], *optional: str) -> str:
    toy = Toy()
    before = {k: v.clone() for k, v in toy.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        load_into(toy, state, expected="a toy", optional=optional, label="'x.pth'")
    assert all(torch.equal(v, before[k]) for k, v in toy.state_dict().items())
    return sentence(error)


def test_a_full_state_loads_and_reports_nothing_absent() -> None:
    source, toy = Toy(), Toy()
    report = load_into(toy, source.state_dict(), expected="a toy", optional=["rgb_embed."])
    assert (report.absent, report.ignored) == ((), ())
    assert all(torch.equal(v, toy.state_dict()[k]) for k, v in source.state_dict().items())


def test_an_optional_part_may_be_absent_and_is_reported() -> None:
    toy, body = Toy(), {"body.weight": torch.full((2, 3), 5.0), "body.bias": torch.ones(2)}
    kept = toy.state_dict()["rgb_embed.0.weight"].clone()
    report = load_into(toy, body, expected="a toy", optional=["rgb_embed.", "other."])
    assert report.absent == ("rgb_embed.",)
    assert torch.equal(toy.body.weight, body["body.weight"])
    assert torch.equal(toy.state_dict()["rgb_embed.0.weight"], kept)


def test_half_an_optional_part_is_an_error() -> None:
    state = Toy().state_dict()
    del state["rgb_embed.1.bias"]
    assert "lacks 1 of 6 tensors (first: rgb_embed.1.bias)" in load_problem(state, "rgb_embed.")


def test_other_names_and_shapes_are_one_sentence_and_change_nothing() -> None:
    assert load_problem({"a": torch.ones(1), "b": torch.ones(1)}) == (
        "'x.pth' does not fit a toy: it lacks 6 of 6 tensors (first: body.weight) and it has "
        "2 others (first: a)."
    )
    wide = Toy().state_dict() | {"body.weight": torch.ones(2, 4)}
    assert "body.weight has the shape (2, 4) instead of (2, 3)" in load_problem(wide)
    whole = Toy().state_dict() | {"body.bias": torch.ones(2, dtype=torch.int64)}
    assert "body.bias is of type torch.int64" in load_problem(whole)


def test_the_laplacian_kernel_is_accepted_and_ignored() -> None:
    name = "interact_2.bnd_op.laplacian_kernel"
    state = Toy().state_dict() | {name: torch.ones(1, 1, 3, 3)}
    assert load_into(Toy(), state, expected="a toy").ignored == (name,)


def test_half_precision_weights_become_the_modules_precision() -> None:
    source, toy = Toy(), Toy()
    load_into(toy, {k: v.half() for k, v in source.state_dict().items()}, expected="a toy")
    assert toy.body.weight.dtype == torch.float32
    assert torch.allclose(toy.body.weight, source.body.weight, atol=1e-3)


# --- our own format ---


def test_our_format_returns_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    shared = torch.arange(6.0).reshape(2, 3)
    state = {"a.weight": shared.T, "b.weight": shared, "steps": torch.tensor(7)}
    write_pisam(path, state, METADATA | {"note": "a toy"})
    found = read_state(path)
    assert found.kind == "pisam"
    assert found.metadata == METADATA | {"note": "a toy", "format": "napari-pisam"}
    assert all(torch.equal(found.state[k], v) for k, v in state.items())
    assert isinstance(found, Checkpoint)


def test_half_precision_on_disk_leaves_vectors_and_phases_in_float32(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    state = {
        "w": torch.rand(4, 4),
        "bias": torch.full((4,), 1e6),
        "pe.positional_encoding_gaussian_matrix": torch.rand(2, 4),
    }
    write_pisam(path, state, METADATA, dtype=torch.float16)
    kinds = {k: v.dtype for k, v in read_state(path).state.items()}
    assert kinds.pop("w") == torch.float16
    assert set(kinds.values()) == {torch.float32}
    with pytest.raises(ValueError, match="'w' are too large"):
        write_pisam(path, {"w": torch.full((2, 2), 1e6)}, METADATA, dtype=torch.float16)


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    write_pisam(path, {"w": torch.zeros(2)}, METADATA)

    def full_disk(tensors: object, target: Path, metadata: object) -> None:
        Path(target).write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module_under_test, "save_file", full_disk)
    with pytest.raises(OSError, match=r"could not be written.*No space left"):
        write_pisam(path, {"w": torch.ones(2)}, METADATA)
    assert torch.equal(read_state(path).state["w"], torch.zeros(2))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_write_replaces_the_file_and_never_writes_into_it(tmp_path: Path) -> None:
    path, other_name = tmp_path / "m.safetensors", tmp_path / "link.safetensors"
    write_pisam(path, {"w": torch.zeros(2)}, METADATA)
    os.link(path, other_name)
    write_pisam(path, {"w": torch.ones(2)}, METADATA)
    assert torch.equal(read_state(path).state["w"], torch.ones(2))
    assert torch.equal(read_state(other_name).state["w"], torch.zeros(2))


def test_lacking_or_unreadable_metadata_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="needs the metadata licence"):
        write_pisam(
            path, {"w": torch.ones(2)}, {k: METADATA[k] for k in METADATA if k != "licence"}
        )
    for header, words in (
        ({"format": "napari-pisam"}, "without metadata 'architecture'"),
        ({"format": "napari-pisam", "architecture": "{"}, "'architecture' cannot be read"),
    ):
        save_file({"w": torch.ones(2)}, path, metadata=header)
        assert words in refused(path)


def test_our_format_truncated_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_pisam(path, {"w": torch.ones(64, 64)}, METADATA)
    path.write_bytes(path.read_bytes()[:-5])
    assert "not a sound safetensors file" in refused(path)
