"""The changed copies of a set's tiles whose features the study keeps: augmented, damaged, synthetic anomalies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from wsi_haloae.config import TrainingConfig
from wsi_haloae.experiments.decoder.sets import SPLIT_SEED, StudySet
from wsi_haloae.tiles.sources import CombinedSource, TileSource, evenly
from wsi_haloae.tiles.views import Changed, Chosen
from wsi_haloae.training.anomaly_scores import synthetic_anomalies_of
from wsi_haloae.training.augmentation import augment
from wsi_haloae.training.cutpaste import paste_patch, paste_scar

Tile = NDArray[np.uint8]
DAMAGE: Mapping[str, Callable[[Tile, np.random.Generator], Tile]] = {"patch": paste_patch, "scar": paste_scar}
USUAL_TILES = 64
"""How many calibration tiles are turned into synthetic anomalies."""
DAMAGED_SHARE = 0.1
"""A cell counts as damaged if at least this share of its pixels was changed."""


def augmented(tiles: StudySet, settings: TrainingConfig) -> TileSource:
    """Each training tile, augmented once as a training would: a second view of it, the same in every epoch."""
    asked = "augmented: " + settings.model_dump_json(include={"colour_jitter", "stain_jitter", "flip"})
    return Changed(
        Chosen(tiles.source, tiles.split.tiles["train"]),
        lambda tile, number: augment(tile, settings, np.random.default_rng((SPLIT_SEED, 5, number))),
        asked,
    )


def damaged(tiles: StudySet) -> CombinedSource:
    """The damaged copies of all training tiles: all by a patch, then all by a scar."""
    return CombinedSource(list(_damages(Chosen(tiles.source, tiles.split.tiles["train"]), 6).values()))


def synthetic(tiles: StudySet) -> dict[str, TileSource]:
    """`usual_tiles`, turned into each kind of synthetic anomaly: damaged parts if anomalies are ``local``."""
    usual = usual_tiles(tiles)
    return _damages(usual, 7) if tiles.local else synthetic_anomalies_of(usual, SPLIT_SEED)


def usual_tiles(tiles: StudySet) -> Chosen:
    """The calibration tiles that synthetic anomalies are made from."""
    return Chosen(tiles.source, evenly(tiles.split.tiles["calibration"], USUAL_TILES))


def _damages(source: TileSource, key: int) -> dict[str, TileSource]:
    def view(kind: int, name: str) -> TileSource:
        def change(tile: Tile, number: int) -> Tile:
            return DAMAGE[name](tile, np.random.default_rng((SPLIT_SEED, key, kind, number)))

        return Changed(source, change, name)

    return {name: view(kind, name) for kind, name in enumerate(DAMAGE)}


def changed_cells(before: TileSource, after: TileSource, map_size: int) -> NDArray[np.bool_]:
    """Which cells differ between two sources of the same n tiles: (n, m, m)."""
    found = []
    for number in range(len(before.groups)):
        differs = (before.read(number) != after.read(number)).any(axis=2)
        share = F.adaptive_avg_pool2d(torch.from_numpy(differs).float()[None, None], map_size)[0, 0]
        found.append((share >= DAMAGED_SHARE).numpy())
    return np.stack(found)
