"""What a process sets before it computes with a model."""

from __future__ import annotations

from wsi_haloae.processors.freed_memory import keep_freed_memory
from wsi_haloae.processors.threads import use_threads


def ready_to_compute(threads: int | None) -> None:
    """Set this process's threads as ``--threads`` asks (None: as many as its cores), and let it keep freed memory."""
    use_threads(threads)
    keep_freed_memory()
