"""Splits reference tiles by group into train, validation and calibration.

*validation* tiles serve early stopping and the choice of the rule; *calibration* tiles are kept for the p-values of
rules with the auto-encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import SplitConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import with_noun
from wsi_haloae.provenance.parts import PARTS
from wsi_haloae.tiles.sources import TileSource


@dataclass(frozen=True)
class Split:
    """Numbers of the tiles in each part, ascending, and the names of their groups."""

    tiles: Mapping[str, NDArray[np.int64]]
    groups: Mapping[str, tuple[str, ...]]

    def describe(self, unit: str = "group") -> str:
        """The parts in one line, for people; ``unit`` is what the groups are (`unit_of`)."""
        return ", ".join(
            f"{part} {with_noun(len(self.tiles[part]), 'tile')} of {with_noun(len(self.groups[part]), unit)}"
            for part in PARTS
        )


def unit_of(groups: Sequence[str], source: TileSource) -> str:
    """What people read for one of ``groups``: "block" (of neighbouring tiles) if they are not the source's own."""
    return "group" if list(groups) == list(source.groups) else "block"


def split_by_group(
    groups: Sequence[str], shares: SplitConfig, seed: int, fixed: Mapping[str, str] | None = None
) -> Split:
    """Assign whole groups at random until each part has its share of the tiles.

    ``fixed`` gives the part of some groups (from a manifest's column). Raises `UsageError` when the groups cannot fill
    all three parts.
    """
    part_of = dict(fixed or {})
    unknown = sorted(set(part_of.values()) - set(PARTS))
    if unknown:
        raise UsageError(f"the split {unknown[0]!r} was given; it must be one of {', '.join(PARTS)}.")
    names, counts = np.unique(np.asarray(groups), return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    part_of = {group: part for group, part in part_of.items() if group in size}  # a manifest may list more groups
    free = [name for name in np.random.default_rng(seed).permutation(names).tolist() if name not in part_of]
    wanted = {"validation": shares.validation * len(groups), "calibration": shares.calibration * len(groups)}
    for part, chosen in _draw(
        free, size, {part: wanted[part] for part in wanted if part not in part_of.values()}
    ).items():
        part_of.update(dict.fromkeys(chosen, part))
    free = [name for name in free if name not in part_of]
    part_of.update(dict.fromkeys(free, "train"))
    return _collect(groups, part_of)


def _draw(free: Sequence[str], size: Mapping[str, int], wanted: Mapping[str, float]) -> dict[str, list[str]]:
    """Assign groups in their order, each to the part that lacks most tiles, if that brings it nearer to its share.

    A group that is too large for that is passed over: one huge patient must not end up held out. A part that got no
    group takes the smallest one left, as long as one stays for training; a part that got one takes a second, as long as
    half of the groups stay, because one patient does not show how patients differ.
    """
    chosen: dict[str, list[str]] = {part: [] for part in wanted}
    lacking = dict(wanted)
    left = list(free)
    for name in free:
        part = max(lacking, key=lambda part: lacking[part], default=None)
        if part is not None and len(left) > 1 and abs(lacking[part] - size[name]) < lacking[part]:
            chosen[part].append(name)
            lacking[part] -= size[name]
            left.remove(name)
    for wished, staying in ((1, 1), (2, len(free) / 2)):
        for groups in chosen.values():
            if len(groups) < wished and len(left) - 1 >= staying:
                groups.append(min(left, key=lambda name: size[name]))
                left.remove(groups[-1])
    return chosen


def _collect(groups: Sequence[str], part_of: Mapping[str, str]) -> Split:
    parts = np.array([part_of[group] for group in groups])
    split = Split(
        tiles={part: np.flatnonzero(parts == part) for part in PARTS},
        groups={part: tuple(sorted({g for g in groups if part_of[g] == part})) for part in PARTS},
    )
    empty = [part for part in PARTS if not len(split.tiles[part])]
    if empty:
        raise UsageError(
            f"{len(set(groups))} groups were given, too few or too unequal in size to fill train, validation and "
            f"calibration ({', '.join(empty)} would be empty). Add more slides or images, or define groups with "
            "--group-regex."
        )
    return split
