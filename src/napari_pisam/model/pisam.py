"""The whole Pi-SAM: image encoder, prompt encoder, mask decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model.config import DecoderKind, ModelConfig
from napari_pisam.model.decoder import Masks, PiDecoder
from napari_pisam.model.encoders import Encoded, build_encoder, encode
from napari_pisam.model.layers import normalise
from napari_pisam.model.sam import ImageEncoderViT, PromptEncoder

_LARGEST_LOGIT = 12.0
"""Logits of a result that becomes a mask prompt are clamped to this."""


def as_mask_prompt(low_res_logits: Tensor) -> Tensor:
    """A result's logits (B, 1, L, L) as the next mask prompt, in training and in prediction."""
    return low_res_logits.float().clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)


def build_prompt_encoder(config: ModelConfig) -> PromptEncoder:
    """SAM's prompt encoder for that window."""
    return PromptEncoder(
        embed_dim=config.dim,
        image_embedding_size=(config.grid, config.grid),
        input_image_size=(config.window, config.window),
        mask_in_chans=16,
    )


class PiSam(nn.Module):
    """Pixels and prompts in, logits out.

    Attributes image_encoder, prompt_encoder, mask_decoder carry SAM's names; the RGB embedding
    is the decoder's (`mask_decoder.rgb_embed`).
    """

    def __init__(self, config: ModelConfig, kind: DecoderKind = "pi") -> None:
        super().__init__()
        self.config, self.kind = config, kind
        self.image_encoder = build_encoder(config)
        self.prompt_encoder = build_prompt_encoder(config)
        self.mask_decoder = PiDecoder(config, kind)

    def normalise_and_pad(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) RGB 0..255, H and W at most the window -> normalised, padded with 0.

        Raises ValueError for an image larger than the window.
        """
        side = self.config.window
        h, w = pixels.shape[-2:]
        if h > side or w > side:
            raise ValueError(f"The model sees {side} x {side} pixels; {h} x {w} were given.")
        return F.pad(normalise(pixels), (0, side - w, 0, side - h))

    def encode(self, normalised: Tensor) -> Encoded:
        """Normalised, padded pixels (B, 3, S, S) -> embedding and early features."""
        return encode(self.image_encoder, normalised)

    def rgb_feature(self, normalised: Tensor) -> Tensor:
        """The RGB embedding (B, 8, S, S); an empty tensor for decoders without one."""
        if self.kind != "pi":
            return normalised.new_zeros(())
        out: Tensor = self.mask_decoder.rgb_embed(normalised)
        return out

    def encode_prompts(
        self,
        *,
        boxes_xyxy_input: Tensor | None = None,
        points_xy_input: Tensor | None = None,
        point_labels: Tensor | None = None,
        mask_input: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sparse (B, N, dim) and dense (B, dim, g, g) prompt embeddings.

        boxes_xyxy_input (B, 4) and points_xy_input (B, N, 2): input pixels; point_labels (B, N):
        1 object, 0 not, -1 padding; mask_input (B, 1, L, L): logits.
        """
        points = None
        if points_xy_input is not None and point_labels is not None:
            points = (points_xy_input, point_labels)
        sparse, dense = self.prompt_encoder(points, boxes_xyxy_input, mask_input)
        return sparse, dense

    def dense_pe(self) -> Tensor:
        """Positional encoding of the embedding's cells (1, dim, g, g)."""
        out: Tensor = self.prompt_encoder.get_dense_pe()
        return out

    def forward(  # noqa: PLR0913  # one for each kind of prompt
        self,
        pixels: Tensor,
        *,
        boxes_xyxy_input: Tensor | None = None,
        points_xy_input: Tensor | None = None,
        point_labels: Tensor | None = None,
        mask_input: Tensor | None = None,
        clicks_xy_unit: Tensor | None = None,
        click_labels: Tensor | None = None,
    ) -> Masks:
        """Logits for one prompt an image.

        pixels (B, 3, H, W): RGB 0..255, H and W at most the window, padded right and bottom;
        prompts as `encode_prompts`, corrections as the decoder takes them (0..1 of the window).
        """
        # Encode the image
        normalised = self.normalise_and_pad(pixels)
        embedding, early = self.encode(normalised)
        # Embed the prompts
        sparse, dense = self.encode_prompts(
            boxes_xyxy_input=boxes_xyxy_input,
            points_xy_input=points_xy_input,
            point_labels=point_labels,
            mask_input=mask_input,
        )
        # Decode the mask
        out: Masks = self.mask_decoder(
            embedding,
            early,
            self.rgb_feature(normalised),
            image_pe=self.dense_pe(),
            sparse=sparse,
            dense=dense,
            clicks_xy_unit=clicks_xy_unit,
            click_labels=click_labels,
        )
        return out


def lay_channels_last(model: PiSam) -> None:
    """Lay the weights of a model so that its maps keep their channels last in memory, in place.

    Names, shapes and values stay. A ViT's own weights are no convolutions and stay as they are.
    """
    parts: list[nn.Module] = [model.mask_decoder]
    if not isinstance(model.image_encoder, ImageEncoderViT):
        parts.append(model.image_encoder)
    for part in parts:
        part.to(memory_format=torch.channels_last)
    if model.kind == "pi":
        interactor = model.mask_decoder.interact_2
        position = interactor.img_pe.permute(1, 2, 0).contiguous()
        interactor.img_pe = position.permute(2, 0, 1)


def draw_published_rgb_embedding(config: ModelConfig, seed: int = 42) -> dict[str, Tensor]:
    """The RGB layers as the published program draws them: keys 0.weight, 0.bias, 1.weight, 1.bias.

    Builds the image encoder and the prompt encoder of that size first, on the CPU, because they
    consume the generator before the two convolutions do; the caller's generator is untouched.
    """
    from napari_pisam.model.layers import rgb_embedding

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build_encoder(config)
        build_prompt_encoder(config)
        drawn = rgb_embedding()
    return {name: value.detach().clone() for name, value in drawn.state_dict().items()}
