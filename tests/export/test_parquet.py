"""tiles.parquet: what tiles.csv says, with types."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from numpy.typing import NDArray
from pyarrow import parquet

from tests.export.stores import Scene, make_store
from wsi_haloae.artefacts.flags import known_bits
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.export import parquet as module
from wsi_haloae.export.open_store import ExportSettings, OpenStore
from wsi_haloae.export.parquet import write_tile_parquet
from wsi_haloae.export.table import write_tile_table
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState

FACTS = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    scene = Scene(calibration=FACTS)
    tiles = scene.grid.rows * scene.grid.columns
    random = np.random.default_rng(0)
    state = np.full(tiles, TileState.DONE, np.uint8)
    state[[1, 5]] = TileState.UNREADABLE, TileState.PENDING
    return make_store(
        tmp_path / "scores.zarr", scene, state=state,
        score=random.lognormal(sigma=3, size=tiles).astype(np.float32),
        p_value=random.uniform(size=tiles).astype(np.float32),
        flags=(np.arange(tiles) % (known_bits() + 1)).astype(np.uint8),
    )  # fmt: skip


@pytest.mark.parametrize("criterion", [USUAL, Criterion(threshold=1.0)], ids=["p-values", "threshold"])
def test_it_says_what_the_csv_says(
    store: ScoreStore, tmp_path: Path, criterion: Criterion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 50)
    source = OpenStore(store, ExportSettings(criterion))
    write_tile_table(tmp_path / "tiles.csv", source)
    write_tile_parquet(tmp_path / "tiles.parquet", source)
    with (tmp_path / "tiles.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    file = parquet.ParquetFile(tmp_path / "tiles.parquet")
    assert file.num_row_groups == 4
    rows = file.read().to_pylist()
    assert len(rows) == len(expected) == 192
    for row, words in zip(rows, expected, strict=True):
        assert shapely.from_wkb(row.pop("geometry")).bounds == (
            row["x"], row["y"], row["x"] + row["width"], row["y"] + row["height"]
        )  # fmt: skip
        assert list(row) == list(words)
        row["anomalous"] = {True: "yes", False: "no", None: ""}[row["anomalous"]]
        for name, word in words.items():
            value = "" if row[name] is None else row[name]
            assert np.float32(word) == np.float32(value) if isinstance(value, float) else str(value) == word, name


def test_types_and_metadata(store: ScoreStore, tmp_path: Path) -> None:
    write_tile_parquet(tmp_path / "tiles.parquet", OpenStore(store, ExportSettings(Criterion(threshold=2.5))))
    schema = parquet.read_schema(tmp_path / "tiles.parquet")
    assert schema.field("x").type == schema.field("row").type == pa.int32()
    assert schema.field("score").type == schema.field("p_value").type == pa.float32()
    assert schema.field("flags").type == schema.field("state").type == pa.dictionary(pa.int8(), pa.string())
    assert schema.field("anomalous").type == pa.bool_()
    metadata = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert metadata["slide"] == "scene.svs"
    assert metadata["model_sha256"] == "a" * 64
    assert metadata["criterion"] == "score above 2.5"


@pytest.mark.parametrize("kept", [None, np.zeros((12, 16), np.bool_)], ids=["tiles", "no tile"])
def test_geopandas_reads_outlines(tmp_path: Path, kept: NDArray[np.bool_] | None) -> None:
    geopandas = pytest.importorskip("geopandas")
    source = OpenStore(make_store(tmp_path / "scores.zarr", Scene(), kept=kept))
    write_tile_parquet(tmp_path / "tiles.parquet", source)
    frame = geopandas.read_parquet(tmp_path / "tiles.parquet")
    assert frame.crs is None
    assert frame.geometry.name == "geometry"
    assert len(frame) == len(source.tiles)
    if len(frame):
        assert frame.total_bounds.tolist() == [0, 0, 1000, 730]
        near = frame[frame.geometry.intersects(shapely.box(70, 70, 140, 80))]
        assert near[["row", "column"]].to_numpy().tolist() == [[1, 1], [1, 2]]


def test_pandas_reads_words_as_categories(store: ScoreStore, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_tile_parquet(tmp_path / "tiles.parquet", OpenStore(store))
    frame = pandas.read_parquet(tmp_path / "tiles.parquet")
    assert frame["state"].value_counts().to_dict() == {"scored": 190, "unreadable": 1, "pending": 1}
    assert np.isnan(frame["score"][1])
