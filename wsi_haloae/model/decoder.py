"""Block C, second half: the transposed HaloNet decoder (HaloAE, section 3.2 and Table S1).

The encoder's mirror: the same bottlenecks with transposed convolutions. Their stride is 1,
so nothing is upsampled.
"""

from __future__ import annotations

from torch import Tensor, nn

from wsi_haloae.config import AttentionConfig, AutoEncoderConfig, StageConfig
from wsi_haloae.model.halo_attention import HaloAttention


class DecoderStage(nn.Module):
    """1x1 convT -> BN -> ReLU -> halo attention -> ReLU -> convT -> BN -> + shortcut -> ReLU.

    ``attention`` None leaves the attention out. The last stage of block C ends without the ReLU
    where features have a sign (``final_relu=False``).
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
        """Silence the body until training wakes it: the last BN's weight becomes 0 (Goyal et al. 2017)."""
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
