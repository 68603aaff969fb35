"""TrainingJob: all that one training is, put together once by a command and handed on whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import Config
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.order import Balanced, Passes, TileOrder

STATE_NAME = "state.pt"


@dataclass(frozen=True)
class TrainingData:
    """Reference tiles and the numbers of those to train on and to watch.

    ``strata`` name the slide, patient or site of each tile to train on, where all are to come equally often.
    """

    source: TileSource
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    strata: Sequence[str] | None = None

    def order(self, seed: int) -> TileOrder:
        """In which the tiles to train on come."""
        return Passes(self.train, seed) if self.strata is None else Balanced(self.train, self.strata, seed)


@dataclass(frozen=True)
class TrainingJob:
    """What to train, on what, and where its files go.

    ``identity`` is a digest of what the training depends on: a saved state of another identity is refused.
    ``weights`` is a file of backbone weights (None: the backbone's own). ``workers`` processes prepare batches for a
    GPU. ``mpp`` is None for images without a scale, and ``facts`` go into the checkpoint.
    """

    config: Config
    data: TrainingData
    folder: Path
    identity: str
    device: torch.device
    weights: Path | None = None
    workers: int = 0
    mpp: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state_path(self) -> Path:
        """Where a training that was interrupted finds its last epoch."""
        return self.folder / STATE_NAME
