"""Small constants, copied to a device once and kept there: a CUDA graph cannot copy from the host."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``values`` as a tensor (n,), the same one at each call: it must not be changed."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]  # a script makes it where its input is
        return torch.tensor(values, dtype=dtype, device=device)
    return kept(values, dtype, device)


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept for training too, even if scoring is first
def kept(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """What `constant` returns."""
    return torch.tensor(values, dtype=dtype, device=device)
