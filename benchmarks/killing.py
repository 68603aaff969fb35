"""Kills `score` at random moments, and measures what a rerun leaves and what a kill costs."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.tile_scores import TileScores

STAGES = (
    "tiles.zarr", "scores.zarr", "scores.zarr/shards/000000.bin", "scores.zarr/score/c", "scores.zarr/gallery",
    "tiles.csv", "heatmap.ome.tif", "report.html",
)  # fmt: skip
"""The outputs, in the order in which a run writes them."""


def count_shards(counts: Path) -> None:
    """From now on, every shard that this process scores adds a byte to ``counts``."""
    plain = Scorer.score

    def counted(scorer: Scorer, *tiles: Any, **options: Any) -> TileScores:
        with counts.open("a") as stream:
            stream.write("x")
        return plain(scorer, *tiles, **options)

    Scorer.score = counted  # type: ignore[method-assign, assignment]


def kill_at_rename(number: int) -> None:
    """From now on, this process dies just before it gives a file or folder its name for the ``number``-th time."""
    plain, left = os.replace, [number]

    def counted(source: Any, target: Any) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        plain(source, target)

    os.replace = counted


def kill_and_compare(start: Callable[[Path], BaseProcess], folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Compare a run that is killed with an undisturbed one.

    ``start`` scores one slide into the given folder, and counts shards in ``<folder>.count``.
    """
    quiet = start(folder / "quiet")
    began = time.monotonic()  # the first start waits until everything is imported
    quiet.join()
    whole = time.monotonic() - began
    assert quiet.exitcode == 0
    repeated = _kill(start, folder, kills, random.Random(seed), whole)  # noqa: S311  # no secret
    one, other = _digests(folder / "quiet"), _digests(folder / "killed")
    return {
        "quiet_seconds": round(whole, 2),
        "kills": kills,
        "files": len(one),
        "differing": sorted(name for name in {*one, *other} if one.get(name) != other.get(name)),
        "shards_scored_again": repeated,
    }


def _digests(folder: Path) -> dict[str, str]:
    """Digest of every output except the run record."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in {"run.json", "cohort.csv"})
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _kill(start: Callable[[Path], BaseProcess], folder: Path, kills: int, chance: random.Random, whole: float) -> int:
    """Kill ``kills`` times, starting anew if a run ended before; returns how many shards were scored more than once."""
    killed, repeated = 0, 0
    while killed < kills:
        process = start(folder / "killed")
        process.join(chance.uniform(0.05, 0.7) * whole)
        if process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGKILL)
            killed += 1
            there = [stage for stage in STAGES if any(folder.glob(f"killed/*/{stage}"))]
            print(f"kill {killed}: there were {', '.join(there) or 'no outputs'}", flush=True)
        process.join()
        if killed < kills and any(folder.glob("killed/*/run.json")):
            repeated += _scored_again(folder)
            shutil.rmtree(folder / "killed")
            (folder / "killed.count").unlink()
    last = start(folder / "killed")
    last.join()
    assert last.exitcode == 0
    return repeated + _scored_again(folder)


def _scored_again(folder: Path) -> int:
    return len((folder / "killed.count").read_text()) - len((folder / "quiet.count").read_text())
