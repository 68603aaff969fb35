"""What a notebook asks for, on a slide that is scored once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import wsi_haloae
from tests.export.stores import Scene, make_store
from tests.integration.conftest import Tiny
from wsi_haloae.errors import StoreError, WsiHaloaeError


@pytest.fixture(scope="module")
def scored(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> wsi_haloae.ScoredSlide:
    return wsi_haloae.score(tiny.slide, tiny.model, tmp_path_factory.mktemp("api"), maps=True, quiet=True)


def test_all_that_is_promised_is_there() -> None:
    assert set(wsi_haloae.__all__) <= set(dir(wsi_haloae))
    for name in wsi_haloae.__all__:
        assert getattr(wsi_haloae, name).__doc__
    with pytest.raises(AttributeError, match="nothing"):
        _ = wsi_haloae.nothing


def test_importing_the_package_and_opening_scores_loads_no_torch(scored: wsi_haloae.ScoredSlide) -> None:
    code = "import sys, wsi_haloae; wsi_haloae.open_scored(sys.argv[1]).heatmap(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, scored.folder], check=True)


def test_a_slide_tells_its_facts_and_cuts_itself_into_tiles(tiny: Tiny) -> None:
    slide = wsi_haloae.open_slide(tiny.slide)
    assert "2,048 x 1,536" in repr(slide)
    assert slide.thumbnail().size == (128, 96)
    tiles = slide.tile(mpp=1.0, tile_size=64)
    table = tiles.table()
    assert len(tiles) == len(table) == len(list(tiles))
    assert "64 pixels at 1 µm" in repr(tiles)
    assert tiles[-1].shape == (64, 64, 3)
    assert (tiles[-1] == list(tiles)[-1]).all()
    with pytest.raises(IndexError):
        tiles[len(tiles)]


def test_the_table_is_that_of_the_command(scored: wsi_haloae.ScoredSlide) -> None:
    ours, written = scored.table(), pd.read_csv(scored.folder / "tiles.csv", keep_default_na=False, na_values=[""])
    assert set(written.columns) <= set(ours.columns)
    ours["anomalous"] = ours["anomalous"].map({True: "yes", False: "no"})  # as people read it
    words = ["flags", "state", "criterion"]
    ours[words] = ours[words].astype(object)
    shared = list(written.columns)
    assert {"x", "y", "score", "p_value", "flags", "state"} <= set(shared)
    written["flags"] = written["flags"].fillna("")
    pd.testing.assert_frame_equal(ours[shared], written[shared], check_dtype=False, rtol=1e-6)
    assert {f"rule_{name}" for name in scored.store.header.rules} <= set(ours.columns)


def test_the_heatmap_lies_where_its_tiles_lie(scored: wsi_haloae.ScoredSlide) -> None:
    heat, table, slide = scored.heatmap(), scored.table(), scored.store.header.slide
    assert heat.dims == ("y", "x")
    assert heat.x.attrs["units"] == "micrometer"
    for tile in table.itertuples():
        middle_x = (tile.x + tile.width / 2) * slide.mpp_x
        middle_y = (tile.y + tile.height / 2) * slide.mpp_y
        assert heat.sel(x=middle_x, y=middle_y, method="nearest").item() == pytest.approx(tile.score)
    assert int(heat.notnull().sum()) == len(table)


def test_the_pixel_map_is_read_when_it_is_asked_for(scored: wsi_haloae.ScoredSlide) -> None:
    fine = scored.pixel_map()
    assert fine.chunks is not None
    assert fine.sizes["x"] > scored.heatmap().sizes["x"]
    first = scored.table().iloc[0]
    slide, tile = scored.store.header.slide, scored.store.anomaly_map(0)
    part = fine.sel(
        x=slice(first.x * slide.mpp_x, (first.x + first.width) * slide.mpp_x),
        y=slice(first.y * slide.mpp_y, (first.y + first.height) * slide.mpp_y),
    )
    np.testing.assert_allclose(part.values, tile, rtol=1e-6)


def test_plots_into_axes_or_makes_them(scored: wsi_haloae.ScoredSlide) -> None:
    with pyplot.rc_context({"backend": "agg"}):
        axes = scored.plot()
        assert axes.get_xlim() == (0, pytest.approx(scored.store.header.slide.width * 0.5 / 1000, rel=1))
        assert len(axes.images) == 1
        assert scored.plot(pyplot.figure().add_subplot()).get_xlabel() == "mm"
        pyplot.close("all")


def test_what_goes_wrong_is_raised_in_the_words_of_the_command(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(WsiHaloaeError, match="coarser"):
        wsi_haloae.open_slide(tiny.slide).tile(mpp=0.01)
    with pytest.raises(WsiHaloaeError, match="stride 999"):
        wsi_haloae.score(tiny.slide, tiny.model, tmp_path, stride=999, quiet=True)
    with pytest.raises(StoreError):
        wsi_haloae.open_scored(tmp_path)


def test_without_maps_the_pixel_map_says_what_to_do(tmp_path: Path) -> None:
    make_store(tmp_path / "scores.zarr", Scene())
    with pytest.raises(StoreError, match="--maps"):
        wsi_haloae.open_scored(tmp_path).pixel_map()
