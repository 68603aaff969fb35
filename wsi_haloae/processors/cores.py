"""How many cores this process may use, for reading, computing and workers."""

from __future__ import annotations

import math
import os
import sys

from wsi_haloae.processors.cpu_quota import cpu_quota


def available_cores() -> int:
    """Number of cores that this process may use, at least 1, by its CPU affinity and its CPU quota (rounded up).

    The machine often has more: ``taskset``, SLURM and containers allow only part of it.
    """
    if sys.version_info >= (3, 13):
        allowed = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))
