"""How slides were scored.

Scores are comparable for the same model, rule, tile size, pixel size, stride and smoothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wsi_haloae.atomic import read_own
from wsi_haloae.stores.score_header import ScoreHeader

SHA_SHOWN = 8
NAMES_SHOWN = 3


@dataclass(frozen=True)
class ScoredAs:
    """How a slide was scored; ``mpp`` is the model's pixel size in µm.

    ``rules`` names the further rules that a slide has even if not all were asked for. ``radius``: each score is the
    median of the tiles within so many µm; None: it is the tile's own.
    """

    model_sha256: str
    rule: str
    rules: tuple[str, ...]
    mpp: float
    tile_size: int
    stride: int
    radius: float | None = None

    @classmethod
    def of(cls, header: ScoreHeader, radius: float | None) -> Self:
        """From the header of the slide's score store, and the radius by which its scores are smoothed."""
        model, grid = header.model, header.grid
        return cls(model.sha256, model.rule, header.usual_rules, model.mpp, grid.tile_size, grid.stride, radius)

    def __str__(self) -> str:
        """In words: "model 3fa1c2d4 (mean over tissue cells of A_fm), 0.5 µm/px, tiles of 256 px, stride 256"."""
        smoothed = "" if self.radius is None else f", smoothed over {self.radius:g} µm"
        return (
            f"model {self.model_sha256[:SHA_SHOWN]} ({self.rule}), {self.mpp:g} µm/px, tiles of {self.tile_size} px, "
            f"stride {self.stride}{smoothed}"
        )


def describe_ways(slides: Mapping[str, ScoredAs]) -> list[str]:
    """A line for each way in which ``slides`` (by name) were scored, starting with the most common one."""
    members: dict[ScoredAs, list[str]] = {}
    for name, way in slides.items():
        members.setdefault(way, []).append(name)
    ordered = sorted(members.items(), key=lambda item: -len(item[1]))
    return [f"{some(names)} by {way}" for way, names in ordered]


def some(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def stored_model(path: Path) -> str | None:
    """SHA-256 of the model that made a store, read from its header alone; None if it cannot be read."""
    try:
        document = json.loads(read_own(path / "zarr.json"))
        sha256 = document["attributes"]["header"]["model"]["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return sha256 if isinstance(sha256, str) else None
