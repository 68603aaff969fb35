"""tiles.h5ad and tiles.parquet in the programs that they are for, where those are installed.

They are not among the packages that tests install: docs/files.md says what they clash with. To run these tests, install
them into an environment of their own, with this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import ExportSettings

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = make_store(tmp_path / "scores.zarr", Scene(l0_scale_x=2.0, l0_scale_y=2.0))
    write_exports(store, tmp_path, ExportSettings(Criterion(threshold=10.0)), ("anndata", "parquet"))
    return tmp_path


def table(folder: Path) -> Any:
    return pytest.importorskip("anndata").read_h5ad(folder / "tiles.h5ad")


def test_scanpy_colours_by_score(folder: Path) -> None:
    scanpy = pytest.importorskip("scanpy", exc_type=ImportError)
    shown = scanpy.pl.embedding(table(folder), basis="spatial", color=["score", "anomalous"], show=False)
    assert [axes.get_title() for axes in shown] == ["score", "anomalous"]


def test_squidpy_draws_tiles_over_the_slide(folder: Path) -> None:
    squidpy = pytest.importorskip("squidpy", exc_type=ImportError)
    axes = squidpy.pl.spatial_scatter(table(folder), color="score", shape="square", return_ax=True)
    picture = axes.images[0].get_array()
    assert picture.shape[:2] == (73, 100)
    boxes = axes.collections[0]
    assert len(boxes.get_offsets()) + len(boxes.get_paths()) > 48


def test_spatialdata_takes_outlines_and_table_as_they_are(folder: Path) -> None:
    spatialdata = pytest.importorskip("spatialdata", exc_type=ImportError)
    geopandas = pytest.importorskip("geopandas")
    shapes = spatialdata.models.ShapesModel.parse(
        geopandas.read_parquet(folder / "tiles.parquet")[["score", "geometry"]]
    )
    both = spatialdata.SpatialData(shapes={"tiles": shapes}, tables={"scores": table(folder)})
    both.write(folder / "both.zarr")
    again = spatialdata.read_zarr(folder / "both.zarr")
    np.testing.assert_array_equal(again["tiles"]["score"], again["scores"].obs["score"])
