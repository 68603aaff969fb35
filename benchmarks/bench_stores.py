"""What checksums and durable writes cost: stores and checkpoints by this version and by another, in turn.

    git worktree add /tmp/other 210031b
    python benchmarks/bench_stores.py --other /tmp/other --model model.safetensors

Processor seconds are compared, so that other work on the machine counts less; wall seconds include the waiting for the
disk. The model is saved and loaded by each version. Prints one row.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import print_row

HERE = Path(__file__).resolve()
PIXEL_TILES, SCORED_ROWS = 640, 50


@click.command()
@click.option(
    "--other", type=click.Path(exists=True, path_type=Path), help="A checkout of the version to compare with."
)
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--runs", default=5, show_default=True)
@click.option("--child", is_flag=True, hidden=True)
def main(other: Path | None, model: Path, runs: int, *, child: bool) -> None:
    """Compare, or (in a child) measure the version that is imported."""
    if child or other is None:
        print(json.dumps(_measure(model.resolve())))
        return
    found: dict[str, list[dict[str, Any]]] = {"here": [], "other": []}
    for _ in range(runs):
        for name, checkout in (("here", HERE.parents[1]), ("other", other.resolve())):
            places = {"PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "benchmarks")])}
            command = [sys.executable, "-P", HERE, "--model", model.resolve(), "--child"]
            said = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **places})
            found[name].append(json.loads(said.stdout))
    rows = {
        name: {key: statistics.median(each[key] for each in runs) for key in runs[0]} for name, runs in found.items()
    }
    ratios = {
        key: round(rows["here"][key] / rows["other"][key], 3) for key in rows["here"] if key.startswith("processor")
    }
    print_row("stores", runs=runs, **rows, ratio=ratios)


def _medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def _measure(model: Path) -> dict[str, float]:
    import bench_export  # noqa: PLC0415  # of the version that is measured

    from wsi_haloae.model.checkpoint import Checkpoint  # noqa: PLC0415
    from wsi_haloae.stores.score_store import ScoreStore  # noqa: PLC0415
    from wsi_haloae.stores.tile_store import TileStore  # noqa: PLC0415

    bench_export.ROWS = SCORED_ROWS
    found: dict[str, float] = {}
    created = _count_new_files()

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        found[f"processor_{name}"] = round(time.process_time() - processor, 4)
        found[f"wall_{name}"] = round(time.perf_counter() - wall, 4)
        return result

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = len(created)
        scores = timed("write_scores", lambda: _finished(bench_export.scored_store(folder)))
        found["tiles"] = len(scores)
        found["files_created_per_slide"] = len({path for path in created[before:] if "scores.zarr" in path})
        timed("read_scores", lambda: [ScoreStore.open(scores.path).read(name) for name in scores.columns()])
        header = TileStore.header_type(
            **{name: getattr(scores.header, name) for name in TileStore.header_type.model_fields}
        )
        index, size = scores.index.select(np.arange(PIXEL_TILES)), header.grid.tile_size
        pixels = _texture(64, size)
        tiles = TileStore.create(folder / "tiles.zarr", header, index)

        def write() -> None:
            for shard in range(tiles.shards):
                tiles.write_shard(shard, pixels, np.ones(64, np.uint8))
            _finished(tiles)

        timed("write_tiles", write)
        opened = TileStore.open(tiles.path)
        timed("read_shards", lambda: [opened.read_shard(shard) for shard in range(tiles.shards)])
        opened = TileStore.open(tiles.path)
        order = np.random.default_rng(0).permutation(PIXEL_TILES).tolist()
        timed("read_tiles_in_random_order", lambda: [opened.read_tile(number) for number in order])
        checkpoint = Checkpoint.load(model)
        timed("save_checkpoint", lambda: checkpoint.save(folder / "model.safetensors"))
        timed("load_checkpoint", lambda: Checkpoint.load(folder / "model.safetensors"))
    return found


def _finished(store: Any) -> Any:
    """With one file per column, in the words of the version."""
    if hasattr(store, "assemble"):
        store.assemble()
        return store
    return store.compacted() if hasattr(store, "compacted") else store


def _texture(count: int, size: int) -> np.ndarray:
    """Tiles that compress about as well as tissue does."""
    random = np.random.default_rng(0)
    coarse = random.integers(120, 230, (count, size // 8, size // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return (coarse + random.integers(0, 12, coarse.shape)).astype(np.uint8)


def _count_new_files() -> list[str]:
    """From now on, every file that is opened to be created is listed."""
    created: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open":
            return
        path, _, flags = arguments
        if isinstance(flags, int) and flags & os.O_CREAT and not isinstance(path, int):  # a number is open already
            created.append(os.fspath(path))

    sys.addaudithook(note)
    return created


if __name__ == "__main__":
    main()
