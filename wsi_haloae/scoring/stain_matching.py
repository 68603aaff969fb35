"""Matches the stains of every slide to the reference: one estimate per slide, one target in the checkpoint.

``glass_level`` is always the configuration's ``scoring.glass_level``: glass is excluded from the estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.stain.facts import StainFacts
from wsi_haloae.stain.normalise import StainEstimate, StainNormaliser, estimate_stains
from wsi_haloae.tiles.sources import TileSource, evenly
from wsi_haloae.tiles.views import Changed

SAMPLED = 64
"""How many tiles of a slide, evenly spaced, its stains are estimated from."""

Tile = NDArray[np.uint8]


def stain_target(source: TileSource, train: NDArray[np.int64], glass_level: float | None) -> StainFacts:
    """The target stains for every slide: those of all training tiles together."""
    return StainFacts.of(_estimate(source.read, train, f"{source.name} (training tiles)", glass_level))


def match_stains(source: TileSource, target: StainFacts, glass_level: float | None) -> TileSource:
    """``source`` with the stains of its tiles matched to ``target``, group by group.

    Raises `UsageError`, which names the group, if the stains of a group cannot be estimated. If every tile is its own
    group, nothing is known about slides, and all tiles count as one: stains estimated from single tiles would give fat
    and glass the colours of tumour.
    """
    groups = list(source.groups)
    if len(set(groups)) == len(groups):
        groups = [source.name] * len(groups)
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    estimates = {group: _estimate(source.read, numbers, group, glass_level) for group, numbers in members.items()}
    normaliser = StainNormaliser(target.estimate())
    return Changed(source, lambda tile, number: normaliser.transform(tile, estimates[groups[number]]), "stains matched")


def as_trained(source: TileSource, checkpoint: Checkpoint) -> TileSource:
    """``source`` with its stains matched, if those of the checkpoint's training tiles were."""
    facts = checkpoint.facts
    return source if facts.stains is None else match_stains(source, facts.stains, facts.config.scoring.glass_level)


def slide_matcher(
    name: str, read: Callable[[int], Tile], tiles: Sequence[int], target: StainFacts, glass_level: float | None
) -> Callable[[Tile], Tile]:
    """A function that matches tiles (n, s, s, 3) of one slide to ``target``; ``read`` reads one of ``tiles``."""
    normaliser, estimate = StainNormaliser(target.estimate()), _estimate(read, tiles, name, glass_level)
    return lambda batch: np.stack([normaliser.transform(tile, estimate) for tile in batch])


def _estimate(
    read: Callable[[int], Tile], numbers: Sequence[int] | NDArray[np.int64], name: str, glass_level: float | None
) -> StainEstimate:
    tiles = (read(int(number)) for number in evenly(np.asarray(numbers), SAMPLED))
    try:
        return estimate_stains(tiles, glass_level)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
