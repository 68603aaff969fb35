"""What a training will take, from a few steps of it that are timed and taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from wsi_haloae.pace import duration
from wsi_haloae.processors.disk import free_space
from wsi_haloae.processors.memory import available_memory, peak_memory
from wsi_haloae.progress import size, with_noun

TIMED, SHARE = 3, 50
"""Steps that are timed, at most, and at most one in how many steps (but at least one). One step before them is not
timed, because it sets everything up."""


@dataclass(frozen=True)
class Pace:
    """Seconds of a step and of the evaluation after an epoch, and the most memory that they took, in bytes.

    ``timed`` steps were measured.
    """

    step: float
    evaluation: float
    memory: int
    timed: int

    def lines(self, steps: int, epochs: int, device: torch.device, folder: Path, state: int) -> Iterator[str]:
        """What people read. ``state`` is the size of what is saved in ``folder`` after each epoch, in bytes."""
        seconds = steps * self.step + epochs * self.evaluation
        yield (
            f"training will take about {duration(seconds)}: {with_noun(steps, 'step')} of {self.step:.3g} s and "
            f"{with_noun(epochs, 'evaluation')} of {self.evaluation:.3g} s on {device}, timed on "
            f"{with_noun(self.timed, 'step')}; it may stop earlier, and calibration comes after it"
        )
        yield (
            f"  memory: {size(self.memory)} ({size(available_memory(device))} more are free); disk: {size(state)} in "
            f"{folder} while it trains ({size(free_space(folder))} are free)"
        )


def measure_pace(
    batch: Callable[[], tuple[Tensor, Tensor]],
    step: Callable[[Tensor, Tensor], Any],
    evaluate: Callable[[], Any],
    device: torch.device,
    workers: int,
    timed: int,
) -> Pace:
    """Time steps and an evaluation. ``workers`` processes will prepare batches beside the steps; 0: none will."""
    seconds = []
    for _ in range(1 + timed):
        begun = time.monotonic()
        tiles, damaged = batch()
        prepared = time.monotonic()
        step(tiles, damaged)
        preparing, computing = prepared - begun, time.monotonic() - prepared
        seconds.append(max(computing, preparing / workers) if workers else preparing + computing)
    begun = time.monotonic()
    evaluate()
    return Pace(median(seconds[1:]), time.monotonic() - begun, peak_memory(device), timed)


def timed_steps(steps: int) -> int:
    """How many steps of a training of this many ``steps`` are worth timing."""
    return min(TIMED, max(1, steps // SHARE))
