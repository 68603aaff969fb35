"""Memory that this process has taken, and that is free."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

STATUS = Path("/proc/self/status")
PEAK = "VmHWM:"


def peak_memory(device: torch.device) -> int:
    """Bytes that this process has taken at most: on the card, for a GPU of NVIDIA; or else of main memory.

    Where the system does not keep the peak (macOS), what it takes now.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if STATUS.exists():
        line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(PEAK))
        return int(line.split()[1]) * 1024
    now = psutil.Process().memory_info()
    return int(getattr(now, "peak_wset", now.rss))


def available_memory(device: torch.device) -> int:
    """Bytes that are free, of the same memory."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else int(psutil.virtual_memory().available)
