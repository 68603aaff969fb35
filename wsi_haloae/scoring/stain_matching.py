"""Tiles of every slide with the stains of the reference: one estimate per slide, one target in the checkpoint.

``glass_level`` is the configuration's ``scoring.glass_level`` throughout: glass has no stain to be estimated.
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
"""Tiles of a slide, evenly spaced, from which its stains are estimated."""

Tile = NDArray[np.uint8]


def stain_target(source: TileSource, train: NDArray[np.int64], glass_level: float | None) -> StainFacts:
    """The stains that every slide is brought to: those of the training tiles, all together."""
    return StainFacts.of(_estimate(source.read, train, f"{source.name} (training tiles)", glass_level))


def match_stains(source: TileSource, target: StainFacts, glass_level: float | None) -> TileSource:
    """``source`` with its tiles brought to ``target``, group by group; `UsageError` names a group where that fails.

    Where every tile is a group of its own, nothing is known of slides, and all tiles count as one: stains of
    single tiles would force fat and glass to the colours of tumour.
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
    """``source`` as the checkpoint's training tiles were: with its stains matched, if theirs were."""
    facts = checkpoint.facts
    return source if facts.stains is None else match_stains(source, facts.stains, facts.config.scoring.glass_level)


def slide_matcher(
    name: str, read: Callable[[int], Tile], tiles: Sequence[int], target: StainFacts, glass_level: float | None
) -> Callable[[Tile], Tile]:
    """What brings tiles (n, s, s, 3) of one slide to ``target``; ``read`` gives one of ``tiles``, its readable ones."""
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
