"""The mask decoder: SAM's, HQ-SAM's and Pi-SAM's, one class, one set of key names.

Split into steps by what they depend on, so that a window's share, a prompt's share and a
correction's share can each be computed once. Sources: SAM (Kirillov et al., 2023), HQ-SAM (Ke et
al., 2023), Pi-SAM, "Segment Anything with Precise Interaction" (ACM MM 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_pisam.model.config import DecoderKind, ModelConfig
from napari_pisam.model.deform import Region
from napari_pisam.model.interactor import PreciseInteractor
from napari_pisam.model.layers import DeformableConv, LayerNorm2d, rgb_embedding, upscale
from napari_pisam.model.sam import MLP, MaskDecoder, TwoWayTransformer

ClickOrder = Literal["xy", "yx"]


@dataclass(frozen=True, slots=True)
class Masks:
    """What a decoder returns: low_res_logits (B, 1, L, L) and logits (B, 1, S, S), threshold 0.

    iou (B, 4): SAM's own estimate of the quality of its four masks.
    """

    low_res_logits: Tensor
    logits: Tensor
    iou: Tensor


@dataclass(frozen=True, slots=True)
class PromptState:
    """All that depends on window and prompt, but on no correction.

    sam_logits (B, 4, L, L), iou (B, 4): SAM's own masks and scores. output_token (B, 1, C),
    mask_feature (B, C, L, L), low_res_logits (B, 1, L, L): the high-resolution path's (SAM's for
    kind "sam").
    """

    sam_logits: Tensor
    iou: Tensor
    output_token: Tensor | None
    mask_feature: Tensor | None
    low_res_logits: Tensor


class ObjectEmbedder(nn.Module):
    """Mask feature and low-resolution logits -> object feature: Pi-SAM, Object Embedder."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mask_embedding = nn.Sequential(
            nn.Conv2d(dim + 1, dim, 1),
            LayerNorm2d(dim),
            nn.GELU(),
            nn.Conv2d(dim, dim, 3, padding=1),
            LayerNorm2d(dim),
            nn.GELU(),
        )
        self.aspp1 = _DeformableBranch(dim, 3)
        self.aspp2 = _DeformableBranch(dim, 7)
        self.conv_out = nn.Sequential(
            nn.Conv2d(3 * dim, dim, 1, bias=False), LayerNorm2d(dim), nn.GELU()
        )

    def forward(self, mask_feature: Tensor, low_res_logits: Tensor) -> Tensor:
        """(B, C, L, L), (B, 1, L, L) -> (B, C, L, L)."""
        # Embed the mask feature together with the low-resolution mask
        x = self.start(mask_feature, low_res_logits)
        # Sample it by two deformable convolutions, then merge the three
        out: Tensor = self.conv_out(torch.cat([x, self.aspp1(x), self.aspp2(x)], 1))
        return out

    def start(self, mask_feature: Tensor, low_res_logits: Tensor) -> Tensor:
        """What the deformable branches sample: (B, C, L, L), (B, 1, L, L) -> (B, C, L, L)."""
        x: Tensor = self.mask_embedding(torch.cat([mask_feature, low_res_logits], 1))
        return x


class _DeformableBranch(nn.Module):
    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.atrous_conv = nn.Sequential(DeformableConv(dim, kernel), LayerNorm2d(dim), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.atrous_conv(x)
        return out


def _compress_early(config: ModelConfig) -> nn.Sequential:
    """Early features (B, width, ...) -> (B, C, L, L)."""
    width, dim, feature = config.encoder.width, config.dim, config.feature
    if config.encoder.early_stride == config.stride:
        return upscale(width, dim, feature)
    return nn.Sequential(
        nn.Conv2d(width, dim // 4, 1),
        LayerNorm2d(dim // 4),
        nn.GELU(),
        nn.Conv2d(dim // 4, feature, 3, padding=1),
    )


class PiDecoder(MaskDecoder):  # type: ignore[misc]  # the package is untyped
    """SAM's mask decoder with HQ-SAM's token (kind "hq") and Pi-SAM's modules (kind "pi").

    The parameters carry the published names; `rgb_embed` is trained and saved with them here.
    head_channels: of the high-resolution head and the RGB embedding.
    """

    head_channels = 8

    def __init__(self, config: ModelConfig, kind: DecoderKind = "pi") -> None:
        transformer = TwoWayTransformer(
            depth=2,
            embedding_dim=config.dim,
            mlp_dim=config.decoder_mlp,
            num_heads=config.decoder_heads,
        )
        super().__init__(transformer_dim=config.dim, transformer=transformer)
        # the same norm in fewer passes
        self.output_upscaling[1] = LayerNorm2d(config.dim // 4)
        self.config, self.kind = config, kind
        self.click_order: ClickOrder = "xy"
        self.interacts = kind == "pi"
        dim, feature = config.dim, config.feature
        if kind == "sam":
            return
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP(dim, dim, feature, 3)
        self.compress_vit_feat = _compress_early(config)
        self.embedding_encoder = upscale(dim, dim // 4, feature)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(feature, 2 * feature, 3, padding=1),
            LayerNorm2d(2 * feature),
            nn.GELU(),
            nn.Conv2d(2 * feature, feature, 3, padding=1),
        )
        if kind == "pi":
            self._add_pi_modules(feature)

    def _add_pi_modules(self, feature: int) -> None:
        self.embedding_act = nn.Sequential(
            LayerNorm2d(feature), nn.Conv2d(feature, feature, 3, padding=1), nn.GELU()
        )
        self.mask_aspp = ObjectEmbedder(feature)
        n = self.head_channels
        self.output_upscaling_2 = upscale(feature, feature // 2, n)
        self.out_act = nn.Sequential(
            LayerNorm2d(n),
            nn.Conv2d(n, n, 3, padding=1),
            LayerNorm2d(n),
            nn.GELU(),
            nn.Conv2d(n, 1, 3, padding=1),
        )
        self.interact_2 = PreciseInteractor(feature, self.config.low)
        self.rgb_embed = rgb_embedding()

    # what depends on the window alone

    def window_feature(self, image_embeddings: Tensor, early_features: Tensor) -> Tensor:
        """(B, dim, g, g) and (B, h, w, width) channels last -> (B, C, L, L); not for kind "sam"."""
        early = self.compress_vit_feat(early_features.permute(0, 3, 1, 2))
        out: Tensor = self.embedding_encoder(image_embeddings) + early
        return out

    # what depends on the prompt

    def prompt_state(
        self,
        image_embeddings: Tensor,
        window_feature: Tensor | None,
        *,
        image_pe: Tensor,
        sparse: Tensor,
        dense: Tensor,
    ) -> PromptState:
        """SAM's transformer and everything up to the low-resolution logits.

        image_embeddings (B or 1, dim, g, g); image_pe (1, dim, g, g); sparse (B, N, dim);
        dense (B, dim, g, g); window_feature as `window_feature` gives it, None for kind "sam".
        """
        # Concatenate output tokens and prompt tokens
        own = [self.iou_token.weight, self.mask_tokens.weight]
        if self.kind != "sam":
            own.append(self.hf_token.weight)
        tokens = torch.cat(own, 0).unsqueeze(0).expand(len(sparse), -1, -1)
        tokens = torch.cat([tokens, sparse], 1)
        # Run SAM's two-way transformer
        src = image_embeddings + dense
        b, c, h, w = src.shape
        hs, src = self.transformer(src, image_pe.expand(b, -1, -1, -1), tokens)
        # Upscale the image embedding and predict SAM's masks from the mask tokens
        n = self.num_mask_tokens
        upscaled = self.output_upscaling(src.transpose(1, 2).reshape(b, c, h, w))
        hyper = [mlp(hs[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        sam_logits = _product(torch.stack(hyper, 1), upscaled)
        # Estimate the quality of SAM's masks
        iou = self.iou_prediction_head(hs[:, 0])
        if self.kind == "sam" or window_feature is None:
            return PromptState(sam_logits, iou, None, None, sam_logits[:, :1])
        # Fuse the upscaled embedding with the window's own feature
        output_token = self.hf_mlp(hs[:, 1 + n]).unsqueeze(1)
        feature = self.embedding_maskfeature(upscaled) + window_feature
        if self.kind == "pi":
            feature = self.embedding_act(feature)
        # Predict the low-resolution mask from the output token
        low = _product(output_token, feature)
        return PromptState(sam_logits, iou, output_token, feature, low)

    # what depends on a correction

    def object_feature(self, state: PromptState) -> Tensor:
        """The Object Embedder's result (B, C, L, L); kind "pi" only."""
        out: Tensor = self.mask_aspp(state.mask_feature, state.low_res_logits)
        return out

    def correct(
        self,
        feature: Tensor,
        state: PromptState,
        *,
        clicks_xy_unit: Tensor,
        click_labels: Tensor,
        region: Region | None = None,
    ) -> Tensor:
        """The object feature after correction clicks, whole or of a region; see PreciseInteractor.

        With click_order "yx" the interactor gets (y, x), as published training gave it.
        """
        if self.click_order == "yx":
            clicks_xy_unit = clicks_xy_unit.flip(-1)
        out: Tensor = self.interact_2(
            feature,
            state.output_token,
            clicks_xy_unit=clicks_xy_unit,
            click_labels=click_labels,
            region=region,
        )
        return out

    def head(self, object_feature: Tensor, rgb: Tensor) -> Tensor:
        """Pi-SAM's HR-Conv head: (B, C, L, L) and rgb (B or 1, 8, S, S) -> logits (B, 1, S, S)."""
        out: Tensor = self.out_act(self.output_upscaling_2(object_feature) + rgb)
        return out

    def forward(  # noqa: PLR0913  # the published decoder takes as many
        self,
        image_embeddings: Tensor,
        early_features: Tensor,
        rgb: Tensor,
        *,
        image_pe: Tensor,
        sparse: Tensor,
        dense: Tensor,
        clicks_xy_unit: Tensor | None = None,
        click_labels: Tensor | None = None,
    ) -> Masks:
        """Logits for B prompts.

        image_embeddings (B or 1, dim, g, g); early_features (B or 1, h, w, width), channels last;
        rgb (B or 1, 8, S, S), the RGB embedding; image_pe (1, dim, g, g); sparse (B, N, dim) and
        dense (B, dim, g, g) from the prompt encoder. clicks_xy_unit (B, K, 2): corrections, x and
        y in 0..1 of the window; click_labels (B, K): 1, 0, or -1 for padding. All float32.
        """
        # Compute the window's share
        shared = (
            None if self.kind == "sam" else self.window_feature(image_embeddings, early_features)
        )
        # Compute the prompt's share, up to the low-resolution logits
        state = self.prompt_state(
            image_embeddings, shared, image_pe=image_pe, sparse=sparse, dense=dense
        )
        if self.kind != "pi":
            # Enlarge the low-resolution mask of SAM and HQ-SAM
            low = self.best_low_res(state)
            size = (self.config.window, self.config.window)
            high = F.interpolate(low, size, mode="bilinear", align_corners=False)
            return Masks(low, high, state.iou)
        # Embed the object
        feature = self.object_feature(state)
        # Apply the correction clicks
        if clicks_xy_unit is not None and click_labels is not None and clicks_xy_unit.shape[1]:
            feature = self.correct(
                feature, state, clicks_xy_unit=clicks_xy_unit, click_labels=click_labels
            )
        # Predict the high-resolution mask
        return Masks(state.low_res_logits, self.head(feature, rgb), state.iou)

    def best_low_res(
        self, state: PromptState, *, multimask: bool = False, hq_token_only: bool = False
    ) -> Tensor:
        """One low-resolution mask (B, 1, L, L) of kind "sam" or "hq".

        multimask: SAM's share is the best of its three masks by its own estimate, for prompts
        that leave open what is meant (one click). hq_token_only: leave SAM's share out.
        """
        if multimask:
            best = state.iou[:, 1:].argmax(1) + 1
            sam = state.sam_logits[torch.arange(len(best), device=best.device), best].unsqueeze(1)
        else:
            sam = state.sam_logits[:, :1]
        if self.kind == "sam":
            return sam
        return state.low_res_logits if hq_token_only else sam + state.low_res_logits


def _product(tokens: Tensor, feature: Tensor) -> Tensor:
    """(B, T, C) times (B, C, L, L) -> (B, T, L, L)."""
    return torch.einsum("btc,bchw->bthw", tokens, feature)
