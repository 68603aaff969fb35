"""Freed memory: kept by this process while it computes, and given back when a slide is done.

glibc returns large freed blocks to the system at once. The next batch gets as many new pages, each of which the system
has to clear first: a third of the time of `haloae-small`. Other allocators are left as they are.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping

MOST_KEPT = (1 << 31) - 1
"""Bytes of free memory at the end of the heap beyond which glibc returns it: the largest number that it takes."""
LARGEST_KEPT = 1 << 30
"""Blocks of this many bytes and more are still taken from the system and returned, one by one."""
LARGEST_KEPT_ONCE = 32 << 20
"""The most that glibc before 2.35 takes."""
TAKEN_AT_ONCE = 64 << 20
"""Bytes by which the heap grows, at least."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Of glibc's malloc.h."""

AS_ENVIRONMENT: Mapping[str, str] = {
    "MALLOC_TRIM_THRESHOLD_": str(MOST_KEPT),
    "MALLOC_TOP_PAD_": str(TAKEN_AT_ONCE),
    "MALLOC_MMAP_THRESHOLD_": str(LARGEST_KEPT),
    "MALLOC_ARENA_MAX": "1",
}
"""The same for a process that is still to start, and computes on another thread than its first. Such a thread has a
heap of its own, which glibc keeps small; with one heap for all, it uses the large one."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for its next batch; False where glibc does not manage its memory."""
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
    mallopt(M_TOP_PAD, TAKEN_AT_ONCE)
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) or mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_ONCE))


def give_back_memory() -> None:
    """Return unused memory to the system; otherwise a worker would grow by 1 MB with each slide.

    glibc keeps freed blocks between used ones, and each slide starts and ends threads. Does nothing without glibc.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None if that is not glibc, which alone has it."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
