"""TrainingJob: everything that defines one training, put together once by a command."""

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
from wsi_haloae.training.afterwards import Afterwards
from wsi_haloae.training.identity import Identity
from wsi_haloae.training.order import Balanced, Passes, TileOrder

STATE_NAME = "state.pt"


@dataclass(frozen=True)
class TrainingData:
    """Reference tiles, and the numbers of those to train on and to validate on.

    ``strata`` has the slide, patient or site of each training tile, if all are to appear equally often.
    """

    source: TileSource
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    strata: Sequence[str] | None = None

    def order(self, seed: int) -> TileOrder:
        """The order in which the training tiles appear."""
        return Passes(self.train, seed) if self.strata is None else Balanced(self.train, self.strata, seed)


@dataclass(frozen=True)
class TrainingJob:
    """What to train, on which tiles, and where its files go.

    ``identity`` is everything that the training depends on; a saved state with another identity is refused.
    ``weights`` is a file of backbone weights (None: the backbone's published ones). ``workers`` processes prepare
    batches for a GPU. ``mpp`` is None for images without a scale. ``facts`` go into the checkpoint.
    ``afterwards`` is what comes after the steps, if that is to be forecast.
    """

    config: Config
    data: TrainingData
    folder: Path
    identity: Identity
    device: torch.device
    weights: Path | None = None
    workers: int = 0
    mpp: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    afterwards: Afterwards | None = None

    @property
    def state_path(self) -> Path:
        """Where an interrupted training finds what it had learned when it was last saved."""
        return self.folder / STATE_NAME
