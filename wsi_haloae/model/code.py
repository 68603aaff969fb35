"""What stands between encoder and decoder, so that a decoder which merely copies pays for it: noise, and a low rank.

* Noise, while training: each number of the code is dropped by itself, with probability ``dropout``, as in Dinomaly's
  bottleneck (Guo et al. 2025, arXiv 2405.14325). What is dropped becomes its channel's mean, not 0: the code follows a
  ReLU, and at a principal start it is raised by six deviations, so that 0 would be an outlier and not an absence.
* A low rank, after ShortcutBreaker (Tang et al. 2025, arXiv 2510.18342): two linear layers, code -> ``rank`` -> code,
  so that no decoder can be the identity. The noise is then on the ``rank`` numbers.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Code(nn.Module):
    """(B, C, h, w) -> (B, C, h, w); the identity, without weights, if there is neither dropout nor rank."""

    def __init__(self, channels: int, dropout: float, rank: int | None) -> None:
        super().__init__()
        self.dropout = dropout
        self.narrow: nn.Module = nn.Identity()
        self.widen: nn.Module = nn.Identity()
        if rank is not None:
            self.narrow = nn.Conv2d(channels, rank, 1, bias=False)
            self.widen = nn.Conv2d(rank, channels, 1, bias=False)

    def forward(self, code: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        narrow = self.narrow(code)
        if self.training and self.dropout:
            narrow = noisy(narrow, self.dropout)
        wide: Tensor = self.widen(narrow)
        return wide


def noisy(code: Tensor, dropout: float) -> Tensor:
    """Dropout about the channels' means over the batch: (B, C, h, w) -> the same shape, with the same expectation."""
    mean = code.mean(dim=(0, 2, 3), keepdim=True)
    return mean + F.dropout(code - mean, dropout)
