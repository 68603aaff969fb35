"""From pixels to files: on a slide whose tiles are all different, each score is where its pixels are.

The "model" is a tile's mean brightness, so every score can be checked against the slide itself.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.config import TissueConfig
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.score_header import ComputeRecord, ModelRecord, ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.parts import Part

HEIGHT, WIDTH, MPP = 700, 900, 0.25


def gradient() -> NDArray[np.uint8]:
    """Brightness that rises along x and, slower, along y: no two tiles are alike."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    grey = 20 + 180 * x / WIDTH + 40 * y / HEIGHT
    return np.repeat(grey[..., None], 3, axis=2).round().astype(np.uint8)


CASES = {
    "native, partial edge tiles": ({}, TilingSettings(None, 64)),
    "bounds": ({"bounds": Bounds(100, 50, 700, 600)}, TilingSettings(None, 64)),
    "a target between two levels": ({"downsamples": (4,)}, TilingSettings(0.6, 64)),
    "the coarser level natively": ({"downsamples": (2,)}, TilingSettings(0.5, 64)),
    "overlap": ({}, TilingSettings(0.3, 64, 32)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_score_is_where_its_pixels_are(case: str, tmp_path: Path) -> None:
    slide_facts, settings = CASES[case]
    pixels = gradient()
    tiling, scores = _score_by_brightness(pixels, slide_facts, settings, tmp_path)
    write_exports(scores, tmp_path)

    rows = list(csv.DictReader((tmp_path / "tiles.csv").read_text().splitlines()))
    assert len(rows) == tiling.grid.rows * tiling.grid.columns
    values = tifffile.imread(tmp_path / "heatmap.ome.tif")
    overlay = np.asarray(Image.open(tmp_path / "heatmap.overlay.png"))
    features = json.loads((tmp_path / "tiles.geojson").read_text())["features"]
    drawn = {feature["properties"]["name"]: feature for feature in features}
    bounds = slide_facts.get("bounds", Bounds(0, 0, WIDTH, HEIGHT))
    for row in rows:
        x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
        place, score = (int(row["row"]), int(row["column"])), float(row["score"])
        seen = pixels[y : y + height, x : x + width].mean()
        assert score == pytest.approx(seen, abs=1.5), f"{case}: the score at {place} is of other pixels"
        assert values[place] == pytest.approx(score, rel=1e-6)
        expected = ColourScale(0.0, 255.0).rgba(np.array([[np.float32(score)]]))[0, 0]
        assert (overlay[place] == expected).all()
        left, top = max(x, bounds.l0_x), max(y, bounds.l0_y)
        if left < min(x + width, bounds.l0_x + bounds.width) and top < min(y + height, bounds.l0_y + bounds.height):
            feature = drawn[f"tile {place[0]}_{place[1]}"]
            corner = feature["geometry"]["coordinates"][0][0]
            assert corner == [left - bounds.l0_x, top - bounds.l0_y]
            assert feature["properties"]["measurements"]["Anomaly score"] == pytest.approx(score, rel=1e-5)


def _score_by_brightness(
    pixels: NDArray[np.uint8], slide_facts: dict[str, object], settings: TilingSettings, folder: Path
) -> tuple[Tiling, ScoreStore]:
    def opened() -> MemorySlide:
        return MemorySlide(pixels, mpp=(MPP, MPP), **slide_facts)

    tiling = Tiling.of(opened().properties, settings, TissueConfig())
    mask = TissueMask(np.full((HEIGHT, WIDTH), Part.TISSUE, np.uint8), pixels, 1.0, 1.0, {})
    index = tiling.choose(mask)
    tiles = TileStore.create(folder / "tiles.zarr", tiling.header(), index)
    with ThreadHandles(opened) as handles:
        fill_tile_store(tiles, handles, workers=2, reporter=Reporter(quiet=True))
    header = ScoreHeader(
        **dict(tiling.header()),
        model=ModelRecord(
            sha256="", rule="brightness", mpp=0.5, display_range=(0.0, 255.0), calibration=None, artefacts=None
        ),
        compute=ComputeRecord(batch_size=1, dtype="float32", device="cpu", threads=1),
        layers=("brightness",),
        rules=("brightness",),
        map_size=None,
        roi_sha256=None,
    )
    scores = ScoreStore.create(folder / "scores.zarr", header, index, mask.thumbnail, mask.mask)
    sizes = index.size
    for shard in range(tiles.shards):
        place = tiles.shard_slice(shard)
        # The padding of an edge tile is background; brightness is measured on the slide's part.
        parts = zip(tiles.read_shard(shard), sizes[place], strict=True)
        scale = tiling.grid.l0_scale_x, tiling.grid.l0_scale_y
        means = np.array([t[: round(h / scale[1]), : round(w / scale[0])].mean() for t, (w, h) in parts], np.float32)
        result = TileScores(
            means,
            means,
            np.full(len(means), np.nan, np.float32),  # the model has no calibration
            means[:, None],
            means[:, None],
            means[:, None],
            np.repeat(means[:, None], 4, axis=1),
            np.zeros(len(means), np.uint8),
            np.ones(len(means), np.int32),
            None,
        )
        scores.write_shard(shard, result, tiles.states()[place])
    scores.assemble()
    return tiling, scores
