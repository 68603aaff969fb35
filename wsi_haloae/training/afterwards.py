"""What comes after the steps of a training: how many tiles are looked at once more, and about how long that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.pace import duration
from wsi_haloae.progress import with_noun
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.statistics import BATCH, images_of


@dataclass(frozen=True)
class Afterwards:
    """Tiles that are looked at after the steps: ``described`` by their features alone, ``scored`` by the whole model.

    A tile counts as often as it is looked at, changed or not.
    """

    described: int
    scored: int

    @torch.inference_mode()
    def forecast(self, model: HaloAE, source: TileSource, tiles: NDArray[np.int64], device: torch.device) -> str:
        """A line for people, from a few of ``tiles`` that are timed; it leaves the model as it is."""
        sample = tiles[:BATCH]
        model.eval()
        begun = time.monotonic()
        (images,) = images_of(source, sample, model, device)
        features = model.features(images)
        _finish(device)
        described = time.monotonic()
        model.reconstruct(features)
        _finish(device)
        describing, scoring = ((end - begun) / len(sample) for end in (described, time.monotonic()))
        seconds = self.described * describing + self.scored * scoring
        return (
            f"calibration, after the training, will take about {duration(seconds)}: "
            f"{self.described:,} tiles and changed copies to describe, of {describing:.3g} s each, and "
            f"{self.scored:,} to score, of {scoring:.3g} s each (estimated from {with_noun(len(sample), 'tile')})"
        )


def _finish(device: torch.device) -> None:
    """Wait for what a GPU was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
