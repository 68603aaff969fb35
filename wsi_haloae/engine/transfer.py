"""Copies tiles to the device: the next batch is copied while the last one is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def batches_on(device: torch.device, tiles: NDArray[np.uint8], size: int) -> Iterator[Tensor]:
    """uint8 tiles (n, s, s, 3) -> batches (size, s, s, 3) on ``device``; the last one is padded with zeros."""
    batches = (_filled_up(tiles[start : start + size], size) for start in range(0, len(tiles), size))
    return _copied_ahead(batches, device) if device.type == "cuda" else (batch.to(device) for batch in batches)


def _filled_up(tiles: NDArray[np.uint8], size: int) -> Tensor:
    filled = np.zeros((size, *tiles.shape[1:]), dtype=np.uint8)
    filled[: len(tiles)] = tiles
    return torch.from_numpy(filled)


def _copied_ahead(batches: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Copy one batch ahead, on a separate stream: from pinned memory, copies run in parallel with the computation."""
    beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def started(batch: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        with torch.cuda.stream(beside):
            copy = batch.pin_memory().to(device, non_blocking=True)
            return copy, beside.record_event()

    ahead: tuple[Tensor, torch.cuda.Event] | None = None
    for batch in batches:
        following = started(batch)
        if ahead is not None:
            yield _arrived(*ahead)
        ahead = following
    if ahead is not None:
        yield _arrived(*ahead)


def _arrived(copy: Tensor, event: torch.cuda.Event) -> Tensor:
    """Let the computing stream wait for the copy, and own its memory from then on."""
    stream = torch.cuda.current_stream(copy.device)
    stream.wait_event(event)
    copy.record_stream(stream)
    return copy
