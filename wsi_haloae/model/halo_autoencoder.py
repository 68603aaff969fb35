"""Block C of the paper: the HaloNet encoder and its mirror, the transposed decoder (section 3.2 and Table S1).

A ResNet-like bottleneck with halo attention in its middle, as in HaloNet, but with a second convolution of 3x3 or 5x5
that connects neighbouring blocks of the attention. The decoder has the same bottlenecks with transposed convolutions;
their stride is 1, so nothing is upsampled.
"""

from __future__ import annotations

from torch import Tensor, nn

from wsi_haloae.config import AttentionConfig, AutoEncoderConfig, StageConfig
from wsi_haloae.model.code import Code
from wsi_haloae.model.halo_attention import HaloAttention


class EncoderStage(nn.Module):
    """1x1 conv -> BN -> ReLU -> halo attention -> ReLU -> conv -> BN -> + shortcut -> ReLU.

    ``attention`` None leaves out the attention.
    """

    def __init__(self, channels: int, out: int, stage: StageConfig, attention: AttentionConfig | None) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, stage.mid, 1, bias=False),
            nn.BatchNorm2d(stage.mid),
            nn.ReLU(),
            HaloAttention(stage.mid, stage.heads, attention) if attention else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(stage.mid, out, stage.kernel, padding=stage.kernel // 2, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.relu = nn.ReLU()

    def start_as_shortcut(self) -> None:
        """Set the last BN's weight to 0, so that only the shortcut works at first (Goyal et al. 2017)."""
        norm = self.body[-1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, out, h, w)."""
        result: Tensor = self.relu(self.body(x) + self.shortcut(x))
        return result


class HaloEncoder(nn.Module):
    """Features (B, C, m, m) -> code (B, code_channels, k, k); k = m, or m - 4 without padding.

    ``same_size=False`` builds the published code's head, without padding (64 -> 60 cells).
    """

    def __init__(
        self, channels: int, config: AutoEncoderConfig, attention: AttentionConfig | None, *, same_size: bool
    ) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(
                channels,
                config.head_width,
                config.head_kernel,
                padding=config.head_kernel // 2 if same_size else 0,
                bias=False,
            ),
            nn.BatchNorm2d(config.head_width),
            nn.ReLU(),
        )
        stages, width = [], config.head_width
        for stage in config.encoder:
            out = channels if stage.out is None else stage.out
            stages.append(EncoderStage(width, out, stage, attention))
            width = out
        self.stages = nn.Sequential(*stages)
        if config.start == "shortcuts":
            for one in stages:
                one.start_as_shortcut()
        self.code_channels = width
        self.code = Code(width, config.code_dropout, config.code_rank)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, m, m) -> (B, code_channels, k, k)."""
        code: Tensor = self.code(self.stages(self.head(features)))
        return code


class DecoderStage(nn.Module):
    """1x1 convT -> BN -> ReLU -> halo attention -> ReLU -> convT -> BN -> + shortcut -> ReLU.

    ``attention`` None leaves out the attention. The last stage of block C has no final ReLU if features can be negative
    (``final_relu=False``).
    """

    def __init__(
        self, channels: int, out: int, stage: StageConfig, attention: AttentionConfig | None, *, final_relu: bool
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(channels, stage.mid, 1, bias=False),
            nn.BatchNorm2d(stage.mid),
            nn.ReLU(),
            HaloAttention(stage.mid, stage.heads, attention) if attention else nn.Identity(),
            nn.ReLU(),
            nn.ConvTranspose2d(stage.mid, out, stage.kernel, padding=stage.kernel // 2, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels != out:
            self.shortcut = nn.Sequential(nn.ConvTranspose2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.relu: nn.Module = nn.ReLU() if final_relu else nn.Identity()

    def start_as_shortcut(self) -> None:
        """Set the last BN's weight to 0, so that only the shortcut works at first (Goyal et al. 2017)."""
        norm = self.body[-1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, k, k) -> (B, out, k, k)."""
        result: Tensor = self.relu(self.body(x) + self.shortcut(x))
        return result


class HaloDecoder(nn.Module):
    """Code (B, code_channels, k, k) -> reconstructed features (B, C, k, k)."""

    def __init__(
        self,
        code_channels: int,
        channels: int,
        config: AutoEncoderConfig,
        attention: AttentionConfig | None,
        *,
        signed: bool,
    ) -> None:
        super().__init__()
        stages, width = [], code_channels
        for stage in config.decoder:
            out = channels if stage.out is None else stage.out
            ends_block = stage is config.decoder[-1]
            stages.append(DecoderStage(width, out, stage, attention, final_relu=not (ends_block and signed)))
            width = out
        self.stages = nn.Sequential(*stages)
        if config.start == "shortcuts":
            for one in stages:
                one.start_as_shortcut()

    def forward(self, code: Tensor) -> Tensor:
        """(B, code_channels, k, k) -> (B, C, k, k)."""
        features: Tensor = self.stages(code)
        return features
