"""The cases: each makes what it needs, then returns the function that is timed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import large
from benchmarks.plain import published_decode, random_pisam
from napari_pisam import Box, Click, PlacedMask, Prompt, SegmentResult, Window, load_predictor
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.images.source import ArraySource
from napari_pisam.model.decoder import PromptState
from napari_pisam.model.layers import normalise
from napari_pisam.predict.cache import EmbeddingCache
from napari_pisam.predict.predictor import Predictor
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.predict.segmenter import Segmenter

Timed = Callable[[], object]

WINDOW = Window(0, 0, 1024, 1024)
INTENSITY = IntensityWindow((0.0,), (255.0,))
MLP_TOKENS = 1024
"""Tokens that go through an MLP at a time."""
SMALL = 200
"""Side of a small object, pixels of the window."""


def picture(side: int = 1024) -> NDArray[np.uint8]:
    """Blurred noise: what is in it matters to no time but the size of the mask."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (side // 16, side // 16), dtype=np.uint8)
    return np.kron(coarse, np.ones((16, 16), np.uint8))


def _pixels() -> Tensor:
    return torch.from_numpy(picture()).expand(1, 3, -1, -1)


def encode_published() -> Timed:
    """Stock segment-anything, ViT-B, float32."""
    model, pixels = random_pisam("vit_b"), normalise(_pixels())
    return lambda: model.image_encoder(pixels)


def _predictor(dtype: str, *, small: bool = False, everywhere: bool = False) -> Predictor:
    model = random_pisam("vit_b")
    predictor = Predictor(model, name="vit_b", dtype=dtype, everywhere=everywhere)
    if small:
        _confine(predictor)
    return predictor


def _confine(predictor: Predictor) -> None:
    """Random weights answer everywhere: confine the low-resolution mask to a small object."""
    decoder = predictor.model.mask_decoder
    side = predictor.model.config.low
    half = SMALL * side // predictor.window_size // 2
    bias = torch.full((side, side), -20.0)
    bias[side // 2 - half : side // 2 + half, side // 2 - half : side // 2 + half] = 0
    whole = decoder.prompt_state

    def confined(*given: Any, **named: Any) -> PromptState:
        state: PromptState = whole(*given, **named)
        return replace(state, low_res_logits=state.low_res_logits.clamp(-2, 2) + bias)

    setattr(decoder, "prompt_state", confined)  # noqa: B010  # a method in the place of another


def encode_ours(dtype: str) -> Timed:
    """The same window through the predictor, pixels included."""
    predictor, image = _predictor(dtype), picture()
    return lambda: predictor.embed(image, WINDOW, INTENSITY)


def encode_products(dtype: str) -> Timed:
    """What no way through the encoder avoids: its products of matrices and its convolutions.

    Each in the form and the pieces in which ours computes it; no softmax, no norm, no copy.
    """
    predictor = _predictor(dtype)
    device = torch.device(predictor.device)
    # typed as any: the package is untyped, and its blocks are ours in its modules' places
    encoder: Any = predictor.model.image_encoder
    config = predictor.model.config
    width, number = config.encoder.width, getattr(torch, predictor.dtype)
    tokens = torch.randn(config.grid**2, width, dtype=number, device=device)
    hidden = torch.randn(MLP_TOKENS, 4 * width, dtype=number, device=device)
    pixels = normalise(_pixels().to(device))
    embedded = torch.randn(1, width, config.grid, config.grid, device=device)

    def attend(side: int, heads: int) -> None:
        # a window at a time, or of the whole grid 256 queries of a head
        q = tokens[: side**2].view(-1, heads, width // heads).transpose(0, 1)
        step = heads if side < config.grid else 1
        for head in range(0, heads, step):
            keys = q[head : head + step].contiguous()
            for part in torch.chunk(keys, max(side**2 // 256, 1) if step == 1 else 1, 1):
                torch.bmm(torch.bmm(part, keys.transpose(1, 2)), keys)

    def run() -> None:
        encoder.patch_embed(pixels)
        for block in encoder.blocks:
            for layer in (block.attn.qkv, block.attn.proj):
                block.linear(tokens, layer.weight, layer.bias)
            for part in torch.chunk(tokens, len(tokens) // MLP_TOKENS):
                block.linear(part, block.mlp.lin1.weight, block.mlp.lin1.bias)
                block.linear(hidden, block.mlp.lin2.weight, block.mlp.lin2.bias)
            side = block.window_size or config.grid
            for _ in range(round((config.grid / side) ** 2)):
                attend(side, block.attn.num_heads)
        encoder.neck(embedded)

    return run


def decode_published() -> Timed:
    """The first prompt's decode, all of it, with torchvision's kernel."""
    return _published(0)


def correction_published() -> Timed:
    """Encoder and decoder anew with a correction click."""
    return _published(1, encode=True)


def _published(clicks: int, *, encode: bool = False) -> Timed:
    model, pixels = random_pisam("vit_b"), normalise(_pixels())
    encoded = model.encode(pixels)

    def run() -> object:
        given = model.encode(pixels) if encode else encoded
        return published_decode(model, given, model.rgb_feature(pixels), clicks)

    return run


def first_prompt_ours(small: bool) -> Timed:
    """A prompt in an embedded window, never the same twice."""
    predictor = _predictor("auto", small=small)
    embedding = predictor.embed(picture(), WINDOW, INTENSITY)
    points = iter(range(10_000))
    return lambda: predictor.predict(embedding, _prompt(512 + next(points) * 1e-3))


def correction_ours(small: bool) -> Timed:
    """One more correction of a prompt that was answered and corrected before."""
    predictor = _predictor("auto", small=small)
    embedding = predictor.embed(picture(), WINDOW, INTENSITY)
    clicks = iter(range(10_000))

    def run() -> object:
        wrong = Click(500 + next(clicks) * 1e-3, 520, True)
        return predictor.predict(embedding, replace(_prompt(512), corrections=(wrong,)))

    run()
    return run


def ten_prompts_ours(small: bool) -> Timed:
    """Encode a window and answer ten prompts in it."""
    predictor, image = _predictor("auto", small=small), picture()
    prompts = [_prompt(300 + 40 * i) for i in range(10)]

    def run() -> object:
        return predictor.predict_many(predictor.embed(image, WINDOW, INTENSITY), prompts)

    return run


def _prompt(y: float) -> Prompt:
    return Prompt(points=(Click(y, 512),))


def tiny_first_click(side: int = 1024, object_size: float | None = 60) -> Timed:
    """pisam-tiny: from a click in an image it has not seen to the mask.

    Without the object's size it looks first, in as many windows as the image has scales.
    """
    predictor, image = load_predictor(), picture(side)
    source = ArraySource(image)
    clicks = iter(range(10_000))

    def run() -> object:
        prompt = Prompt(points=(Click(side / 2, side / 2 + next(clicks) * 1e-3),))
        request = SegmentRequest(
            id=0,
            source=source,
            intensity=INTENSITY,
            prompt=prompt,
            source_key="",
            object_size=object_size,
        )
        return list(Segmenter(predictor, EmbeddingCache(0)).steps(request))

    return run


def tiny_correction(clicks: int = 1) -> Timed:
    """pisam-tiny: the result after so many corrections, the last of them new."""
    predictor, image = load_predictor(), picture()
    prompt = Prompt(points=(Click(512, 512),))
    before = tuple(Click(500 + 3 * i, 520, i % 2 == 0) for i in range(clicks - 1))
    embedding = predictor.embed(image, Window(400, 400, 224, 224), INTENSITY)
    moves = iter(range(10_000))

    def run() -> object:
        last = Click(500 + 3 * clicks + next(moves) * 1e-3, 520, True)
        return predictor.predict(embedding, replace(prompt, corrections=(*before, last)))

    run()
    return run


def tiny_boxes(count: int, *, together: bool) -> Timed:
    """pisam-tiny: so many boxes in one window, which is embedded anew."""
    predictor, image = load_predictor(), picture()
    boxes = [Prompt(box=Box(300 + 5 * i, 300, 380 + 5 * i, 390)) for i in range(count)]

    def run() -> object:
        embedding = predictor.embed(image, Window(256, 256, 512, 512), INTENSITY)
        if together:
            return predictor.predict_many(embedding, boxes)
        return [predictor.predict(embedding, box) for box in boxes]

    return run


def made_ahead() -> Timed:
    """A first prompt, and then what its first correction will need."""
    predictor = _predictor("auto")
    embedding = predictor.embed(picture(), WINDOW, INTENSITY)
    points = iter(range(10_000))

    def run() -> object:
        prompt = _prompt(512 + next(points) * 1e-3)
        return predictor.predict(embedding, prompt), list(predictor.ready_steps())

    return run


def shell_segment() -> Timed:
    """The whole process `pisam segment` on a 1k image."""
    from PIL import Image

    folder = Path(tempfile.mkdtemp(prefix="pisam-bench-"))
    Image.fromarray(picture()).save(folder / "image.png")
    command = ["-m", "napari_pisam.cli", "segment", str(folder / "image.png"), "--point", "512,512"]
    return _process([*command, "-o", str(folder / "labels.tif")])


def shell_large(make: Callable[[], Path]) -> Timed:
    """The whole process `pisam segment` on an image of 21 GB: what counts is its memory."""
    image = make()
    command = ["-m", "napari_pisam.cli", "segment", str(image), "--point", "51300,51300"]
    return _process([*command, "-o", str(image.with_name("labels.tif"))])


def large_object(*, as_prompt: bool) -> Timed:
    """pisam-tiny: an object of 20,000 pixels, from a box to its mask, or from its mask to another.

    The mask that is the prompt is in memory beside the new one, and counts.
    """
    segmenter, source = Segmenter(load_predictor(), EmbeddingCache(0)), large.LargeDisc()
    held: list[PlacedMask] = []

    def segment(prompt: Prompt) -> SegmentResult:
        request = SegmentRequest(0, source, "disc", prompt, intensity=INTENSITY)
        return segmenter.segment(request)

    def run() -> object:
        if not as_prompt:
            return segment(Prompt(box=source.box)).placed
        if not held:
            held.append(segment(Prompt(box=source.box)).placed)
        return segment(Prompt(mask=held[0])).packed

    return run


def shell_imports() -> Timed:
    """What that process imports, alone."""
    return _process(["-c", "import napari_pisam.cli.cutting, napari_pisam.export.labels_tiff"])


def _process(arguments: list[str]) -> Timed:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


CASES: dict[str, Callable[[], Timed]] = {
    "encode, published, float32": encode_published,
    "encode, float32": lambda: encode_ours("float32"),
    "encode, auto dtype": lambda: encode_ours("auto"),
    "encode, its products of matrices alone, float32": lambda: encode_products("float32"),
    "encode, its products of matrices alone, auto dtype": lambda: encode_products("auto"),
    "first prompt, published": decode_published,
    "first prompt": lambda: first_prompt_ours(small=False),
    "first prompt, small object": lambda: first_prompt_ours(small=True),
    "correction, published": correction_published,
    "correction": lambda: correction_ours(small=False),
    "correction, small object": lambda: correction_ours(small=True),
    "ten prompts": lambda: ten_prompts_ours(small=False),
    "ten prompts, small objects": lambda: ten_prompts_ours(small=True),
    "tiny: embed and first click": tiny_first_click,
    "tiny: correction": tiny_correction,
    "tiny: pisam segment, process": shell_segment,
    "tiny: pisam segment, imports": shell_imports,
    "tiny: pisam segment, pyramid of 21 GB, process": lambda: shell_large(large.pyramid),
    "tiny: pisam segment, flat file of 21 GB, process": lambda: shell_large(large.flat),
    "tiny: box of 20,000 px": lambda: large_object(as_prompt=False),
    "tiny: mask of 20,000 px as a prompt": lambda: large_object(as_prompt=True),
    "import napari_pisam, process": lambda: _process(["-c", "import napari_pisam"]),
    "tiny: first click, six windows looked at": lambda: tiny_first_click(object_size=None),
    "tiny: first click, 2k image": lambda: tiny_first_click(2048),
    "tiny: first click, 8k image": lambda: tiny_first_click(8192),
    "tiny: 4 corrections": lambda: tiny_correction(4),
    "tiny: 16 corrections": lambda: tiny_correction(16),
    "tiny: one box": lambda: tiny_boxes(1, together=True),
    "tiny: ten boxes, one by one": lambda: tiny_boxes(10, together=False),
    "tiny: ten boxes together": lambda: tiny_boxes(10, together=True),
    "tiny: forty boxes together": lambda: tiny_boxes(40, together=True),
    "first prompt and what is made ahead": made_ahead,
}
"""Every case by its name in the table."""
