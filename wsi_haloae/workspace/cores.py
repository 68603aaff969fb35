"""How many readers there are by default."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may use (a cluster may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
