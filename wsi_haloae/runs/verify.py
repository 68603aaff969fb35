"""``wsi-haloae verify``: read every byte of stores and models, and say what is whole and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.score_store import STORE_NAME as SCORES_NAME
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME
from wsi_haloae.stores.tile_store import TileStore

STORES = {SCORES_NAME: ScoreStore, TILES_NAME: TileStore}
MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Verdict:
    """One store or model. *unknown*: it is of a version that kept no checksums."""

    path: Path
    state: Literal["whole", "unfinished", "damaged", "unknown"]
    damage: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The lines that people read."""
        words = {
            "whole": "whole",
            "unfinished": "unfinished, and what there is of it is whole",
            "damaged": "damaged",
            "unknown": "can be read, but it is of a version that kept no checksums",
        }
        return "\n".join([f"{self.path}: {words[self.state]}", *self.damage])


def verify(given: Path, reporter: Reporter) -> Iterator[Verdict]:
    """Verdicts on all stores and models at a path, which is one of them or a folder of them, as each is known.

    Raises `UsageError` if there are none.
    """
    found = sorted(_found(given))
    if not found:
        raise UsageError(
            f"{given}: no store and no model here. Name a folder that 'score' or 'tile' wrote, or a model."
        )
    with reporter.track("Verifying", len(found), "files") as advance:
        for path in found:
            yield _verdict(path)
            advance(1)


def _found(given: Path) -> Iterator[Path]:
    if given.suffix == MODEL_SUFFIX or given.name in STORES:
        yield given
        return
    for name in (*STORES, f"*{MODEL_SUFFIX}"):
        yield from given.glob(name)
        yield from given.glob(f"*/{name}")


def _verdict(path: Path) -> Verdict:
    try:
        if path.suffix == MODEL_SUFFIX:
            return Verdict(path, "whole" if Checkpoint.load(path).has_digest else "unknown")
        store = STORES[path.name].open(path)
        damage = store.damage()
    except (WsiHaloaeError, OSError) as error:
        return Verdict(path, "damaged", (str(error),))
    if damage is None:
        return Verdict(path, "unknown")
    if damage:
        return Verdict(path, "damaged", tuple(damage))
    return Verdict(path, "whole" if store.finished else "unfinished")
