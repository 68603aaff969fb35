"""What ``wsi-haloae doctor`` says about processors and graphics cards, as PyTorch sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch

from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import size
from wsi_haloae.runs.doctor import Finding


def devices() -> Iterator[Finding]:
    """Threads, every device, and the one that is used unless ``--device`` says otherwise."""
    asked = os.environ.get("OMP_NUM_THREADS")
    yield Finding("threads", f"{torch.get_num_threads()} compute (OMP_NUM_THREADS {asked or 'is not set'})")
    yield Finding("pytorch", f"{torch.__version__}, {_build()}")
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        words = f"{card.name}, {size(card.total_memory)}, compute capability {card.major}.{card.minor}"
        yield Finding(f"cuda:{number}", words)
    yield Finding("device", f"{resolve_device('auto')} (--device auto)")


def _build() -> str:
    if torch.version.cuda is None:
        return "built without CUDA" + (", MPS is available" if torch.backends.mps.is_available() else "")
    found = "" if torch.cuda.is_available() else ", but it finds no NVIDIA card that it can use"
    return f"built for CUDA {torch.version.cuda}{found}"
