"""Which kernel computes attention on a device, and which of torch's could, for the shapes of a preset.

A row has the names of the kernels that ran, as torch's profiler saw them, and the milliseconds of each form that the
tensors can take: `in pieces` is what a CPU runs, the others are the backends of scaled_dot_product_attention.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from unittest import mock

import click
import torch
from machine import print_row
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from wsi_haloae.config import load_config
from wsi_haloae.engine import attention as engine
from wsi_haloae.engine.attention import FusedHaloAttention, Parts, attend_fused, attend_in_pieces
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE

BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)
Tensors = tuple[Tensor, Tensor, Tensor, Tensor | None]


@click.command()
@click.option("--config", "configs", multiple=True, default=("haloae-small", "haloae"), show_default=True)
@click.option("--device", "device_name", default="cuda", show_default=True)
@click.option("-b", "--batch-size", default=16, show_default=True)
@click.option("--tile", default=256, show_default=True)
@click.option("--runs", default=20, show_default=True)
@torch.inference_mode()
def main(configs: Sequence[str], device_name: str, batch_size: int, tile: int, runs: int) -> None:
    """Print one row for each preset and precision."""
    device = resolve_device(device_name)
    for config in configs:
        plain = HaloAE(load_config(config).model, tile)
        for precision, dtype in PRECISIONS.items():
            model = InferenceModel(plain, device, dtype)
            attention = next(part for part in model.encoder.modules() if isinstance(part, FusedHaloAttention))
            channels = attention.to_qkv.in_channels
            x = torch.randn(batch_size, channels, model.map_size, model.map_size, device=device, dtype=dtype)
            given = tensors_of(attention, x)
            forms = {"in pieces": partial(attend_in_pieces, *given)}
            forms |= {backend.name: partial(with_backend, backend, given) for backend in BACKENDS}
            print_row(
                "attention", config=config, device=str(device), precision=precision, batch_size=batch_size,
                shapes=[list(one.shape) for one in given[:3]], kernels=kernels_of(lambda a=attention, x=x: a(x)),
                milliseconds={name: taken for name, form in forms.items() if (taken := timed(form, runs, device))},
            )  # fmt: skip


def tensors_of(attention: FusedHaloAttention, x: Tensor) -> Tensors:
    """What ``attention`` hands on for an input: queries, keys, values and a mask."""
    found: list[Tensors] = []

    def keep(parts: Parts, values: Tensor, hidden: Tensor | None) -> Tensor:
        found.append((*parts.joined(), values, hidden))
        return attend_in_pieces(*found[-1])

    with mock.patch.object(engine, "_attend", keep):
        attention(x)
    return found[0]


def with_backend(backend: SDPBackend, given: Tensors) -> Tensor:
    """Attention by one backend; `RuntimeError` if it does not take these tensors."""
    with sdpa_kernel(backend):
        return attend_fused(*given)


def kernels_of(work: Callable[[], object]) -> list[str]:
    """Names of the kernels (on a CPU: operations) that took most of the time, the slowest first."""
    work()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=activities) as found:
        work()
    events = found.key_averages()
    on_gpu = [event for event in events if event.self_device_time_total > 0]
    ranked = sorted(on_gpu or events, key=lambda e: -(e.self_device_time_total or e.self_cpu_time_total))
    return [event.key[:120] for event in ranked[:8]]


def timed(work: Callable[[], object], runs: int, device: torch.device) -> float | None:
    """Milliseconds of a call; None if it cannot be made."""
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else (lambda: None)
    try:
        work()
    except RuntimeError:  # no kernel of this backend takes these tensors
        return None
    wait()
    start = time.perf_counter()
    for _ in range(runs):
        work()
    wait()
    return 1e3 * (time.perf_counter() - start) / runs


if __name__ == "__main__":
    main()
