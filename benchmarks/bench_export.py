"""Exports of a slide with 75,000 scored tiles, compared with `json.dump` of the same features.

The first row is the scores only: read, laid out by Dask, and written as tiles.geojson. The second is every file that
`score` writes, with pictures, tables and the report.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from machine import print_row, seconds_in_turn

from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.stores.score_header import ComputeRecord, ModelRecord, ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.stores.store_header import GridRecord, SlideRecord
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.grid import TileGrid

ROWS, COLUMNS, TILE = 250, 300, 256


def scored_store(
    folder: Path, map_size: int | None = None, reference: ReferenceDescriptors | None = None
) -> ScoreStore:
    """A store in which every tile of the grid has a score, and a map or a descriptor if they are asked for."""
    grid = TileGrid(COLUMNS * TILE, ROWS * TILE, TILE, TILE, 1.0, 1.0)
    rows, columns = grid.all_indices()
    index = TileIndex(
        rows, columns, grid.locations(rows, columns), grid.clipped_sizes(rows, columns), np.ones(len(rows), np.float32)
    )
    slide = SlideRecord(
        name="benchmark", vendor="none", width=grid.slide_width, height=grid.slide_height, mpp_x=0.5, mpp_y=0.5,
        objective_power=None, bounds=None, background=(255, 255, 255), fingerprint="benchmark",
    )  # fmt: skip
    header = ScoreHeader(
        slide=slide,
        grid=GridRecord(**asdict(grid)),
        read_plan={},
        tissue={},
        model=ModelRecord(
            sha256="", rule="random", mpp=0.5, display_range=(0.0, 1.0), calibration=None, artefacts=None
        ),
        compute=ComputeRecord(batch_size=1, dtype="float32", device="cpu", threads=1),
        layers=("one",),
        rules=("one",),
        map_size=map_size,
        roi_sha256=None,
        descriptor_size=None if reference is None else reference.dimensions,
    )
    thumbnail = np.full((ROWS * 4, COLUMNS * 4, 3), 240, np.uint8)
    mask = np.ones(thumbnail.shape[:2], bool)
    store = ScoreStore.create(folder / "scores.zarr", header, index, thumbnail, mask, reference=reference)
    random = np.random.default_rng(0)
    for shard in range(store.shards):
        place = store.shard_slice(shard)
        score = random.random(place.stop - place.start, np.float32)
        result = TileScores(
            score,
            score,
            score,
            score[:, None],
            score[:, None],
            score[:, None],
            np.repeat(score[:, None], 4, axis=1),
            np.zeros(len(score), np.uint8),
            np.ones(len(score), np.int32),
            None if map_size is None else random.random((len(score), map_size, map_size), np.float32),
            None if reference is None else random.normal(size=(len(score), reference.dimensions)).astype(np.float16),
        )
        store.write_shard(shard, result, np.full(len(score), TileState.DONE, np.uint8))
    return store


def main() -> None:
    """Print two rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = scored_store(folder)
        files = len(_files(folder))
        store.assemble()  # as `score` does before the exports
        write_exports(store, folder)
        written = _files(folder)
        document = json.loads((folder / "tiles.geojson").read_text())

        def dump() -> None:
            with (folder / "reference.json").open("w") as stream:
                json.dump(document, stream)

        def features() -> None:
            assemble_heatmap(store)
            write_exports(store, folder, formats=("tiles",))

        for what, export in {"scores": features, "everything": lambda: write_exports(store, folder)}.items():
            ours, reference = seconds_in_turn(export, dump, runs=3)
            ratio = ours / reference
            print_row(
                "export", what=what, tiles=ROWS * COLUMNS, seconds=ours, reference_seconds=reference, ratio=ratio,
                files_while_scoring=files, files=len(written),
                megabytes=round(sum(file.stat().st_size for file in written) / 1e6, 1),
            )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


if __name__ == "__main__":
    main()
