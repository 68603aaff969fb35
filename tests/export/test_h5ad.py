"""tiles.h5ad: the tiles as AnnData reads them, and what is said where it is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_index, make_store
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.errors import UsageError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import ExportSettings
from wsi_haloae.stores.sharded import TileState


def test_anndata_reads_scores_places_and_facts(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    scene = Scene(stride=32)
    index = make_index(scene)
    state = np.full(len(index), TileState.DONE, np.uint8)
    state[3] = TileState.PENDING
    store = make_store(tmp_path / "scores.zarr", scene, state=state)
    write_exports(store, tmp_path, ExportSettings(Criterion(threshold=10.0)), ("anndata",))
    found = anndata.read_h5ad(tmp_path / "tiles.h5ad")
    assert found.uns["rules"].tolist() == ["paper", "tissue"]
    score = np.arange(len(index), dtype=np.float32)
    score[3] = np.nan
    np.testing.assert_array_equal(found.obsm["rules"], np.stack([score / 2, score / 3], axis=1))
    np.testing.assert_array_equal(found.obs["score"], score)
    assert found.X.shape == (len(index), 0)
    np.testing.assert_array_equal(found.obsm["spatial"], index.location + index.size / 2)
    assert found.obsm["layer_residuals"].shape == (len(index), 1)
    assert found.obs_names[1] == "0_1"
    assert found.obs["anomalous"].astype(str).tolist()[2:5] == ["no", "nan", "no"]
    assert found.obs["anomalous"].tolist().count("yes") == len(index) - 11
    assert found.uns["criterion"] == "score above 10"
    assert found.uns["slide"]["name"] == "scene.svs"
    assert found.uns["slide"]["mpp"].tolist() == [0.5, 0.5]


def test_squidpy_and_lazyslide_find_what_they_look_for(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    scene = Scene(stride=32, l0_scale_x=2.0, l0_scale_y=2.0, name="slide\n1.svs")
    write_exports(make_store(tmp_path / "scores.zarr", scene), tmp_path, formats=("anndata",))
    found = anndata.read_h5ad(tmp_path / "tiles.h5ad")
    assert not set(found.var_names) & set(found.obs.columns)  # colouring by a name that is both is refused
    [library] = found.uns["spatial"]
    assert found.obs["library_id"].unique().tolist() == [library] == ["slide\\n1.svs"]
    picture, scale = (found.uns["spatial"][library][key] for key in ("images", "scalefactors"))
    assert picture["hires"].shape == (73, 100, 3)
    assert scale == {"tissue_hires_scalef": pytest.approx(0.1), "spot_diameter_fullres": 128}
    spec = found.uns["tile_spec"]
    assert (spec["height"], spec["stride_width"], spec["mpp"], spec["base_downsample"]) == (64, 32, 1.0, 2.0)
    assert found.obs["tile_id"].tolist() == list(range(found.n_obs))
    assert found.uns["spatialdata_attrs"]["region"] == found.obs["region"].unique().tolist()[0] == "tiles"


def test_without_the_package_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    store = make_store(tmp_path / "scores.zarr", Scene())
    with pytest.raises(UsageError, match=r"pip install 'wsi-haloae\[anndata\]'"):
        write_exports(store, tmp_path / "out", formats=("csv", "anndata"))
    assert not (tmp_path / "out").exists()  # nothing is written by halves
