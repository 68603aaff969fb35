"""A tile's score is at the tile's place in every output, on every kind of grid.

All tiles have different scores, and places are computed here from the contract's formula,
floor(index * stride * mpp_target / mpp + 0.5), not by the package.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.export.stores import Scene, make_store
from wsi_haloae.export.blend import OPACITY
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.figures.slide_frame import HEADER, MARGIN
from wsi_haloae.heatmap.colours import COLOUR_TABLE
from wsi_haloae.slide.properties import Bounds, SlideProperties
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.plan import ReadPlan


@dataclass(frozen=True)
class Case:
    """What a user would say: a slide, a target mpp, a tile size and a stride."""

    width: int = 1024
    height: int = 768
    mpp_x: float = 0.5
    mpp_y: float = 0.5
    downsamples: tuple[float, ...] = (1.0,)
    mpp_target: float = 0.5
    tile_size: int = 64
    stride: int = 64
    bounds: tuple[int, int, int, int] | None = None

    def scene(self) -> Scene:
        properties = SlideProperties(
            name="aligned.svs",
            vendor="test",
            level_dimensions=tuple((int(self.width / d), int(self.height / d)) for d in self.downsamples),
            level_downsamples=self.downsamples,
            mpp_x=self.mpp_x,
            mpp_y=self.mpp_y,
            objective_power=None,
            bounds=None if self.bounds is None else Bounds(*self.bounds),
            background=(255, 255, 255),
            fingerprint="f" * 64,
        )
        plan = ReadPlan.for_slide(properties, self.mpp_target)
        grid = TileGrid.for_plan(plan, self.width, self.height, self.tile_size, self.stride)
        return Scene(
            width=self.width,
            height=self.height,
            mpp_x=self.mpp_x,
            mpp_y=self.mpp_y,
            bounds=self.bounds,
            tile_size=self.tile_size,
            stride=self.stride,
            l0_scale_x=grid.l0_scale_x,
            l0_scale_y=grid.l0_scale_y,
        )

    def span_x(self, column: int) -> tuple[int, int]:
        """Left and right edge of a tile in level 0, clipped to the slide."""
        left = math.floor(column * self.stride * self.mpp_target / self.mpp_x + 0.5)
        end = column * self.stride + self.tile_size
        return left, min(math.floor(end * self.mpp_target / self.mpp_x + 0.5), self.width)

    def span_y(self, row: int) -> tuple[int, int]:
        """Upper and lower edge of a tile in level 0, clipped to the slide."""
        top = math.floor(row * self.stride * self.mpp_target / self.mpp_y + 0.5)
        end = row * self.stride + self.tile_size
        return top, min(math.floor(end * self.mpp_target / self.mpp_y + 0.5), self.height)


CASES = {
    "whole tiles": Case(),
    "partial edge tiles": Case(width=1000, height=730),
    "bounds": Case(width=1000, height=730, bounds=(100, 57, 801, 600)),
    "between two levels": Case(width=1999, height=1501, mpp_x=0.2527, mpp_y=0.2527, downsamples=(1.0, 4.0)),
    "unequal mpp": Case(width=1500, height=1201, mpp_x=0.25, mpp_y=0.254, mpp_target=0.437),
    "overlap": Case(width=500, height=401, stride=32),
    "everything": Case(
        width=1207, height=1003, mpp_x=0.2527, mpp_y=0.2531, downsamples=(1.0, 4.0), mpp_target=0.5,
        stride=40, bounds=(33, 57, 1100, 900),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    case: Case
    folder: Path
    expected: dict[tuple[int, int], float]  # (row, column) -> score


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    case: Case = request.param
    scene = case.scene()
    shape = (scene.grid.rows, scene.grid.columns)
    random = np.random.default_rng(5)
    kept = random.random(shape) < 0.7
    # The last row and column hold the partial tiles: they must be there.
    kept[-1, :], kept[:, -1] = True, True
    count = int(kept.sum())
    assert 8 < count <= 256, "scores 0 to 255 are exactly the entries of the colour table"
    score = random.permutation(256)[:count].astype(np.float32)
    places = zip(*np.nonzero(kept), strict=True)
    expected = {(int(r), int(c)): float(s) for (r, c), s in zip(places, score, strict=True)}
    folder = tmp_path_factory.mktemp("aligned")
    write_exports(make_store(folder / "scores.zarr", scene, kept=kept, score=score), folder)
    return Exported(case, folder, expected)


def entry_of(colour: NDArray[np.float64]) -> float:
    """The entry of the colour table that is nearest to a colour."""
    return float(np.abs(COLOUR_TABLE - colour).sum(axis=1).argmin())


def test_table(exported: Exported) -> None:
    with (exported.folder / "tiles.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(exported.expected)
    for line in lines:
        row, column = int(line["row"]), int(line["column"])
        left, right = exported.case.span_x(column)
        top, bottom = exported.case.span_y(row)
        assert float(line["score"]) == exported.expected[row, column]
        assert [int(line[name]) for name in ("x", "y", "width", "height")] == [left, top, right - left, bottom - top]


def test_geojson(exported: Exported) -> None:
    case = exported.case
    x, y, width, height = case.bounds or (0, 0, case.width, case.height)
    expected = {}
    for (row, column), score in exported.expected.items():
        (left, right), (top, bottom) = case.span_x(column), case.span_y(row)
        left, right = max(left - x, 0), min(right - x, width)
        top, bottom = max(top - y, 0), min(bottom - y, height)
        if left < right and top < bottom:
            expected[f"tile {row}_{column}"] = (score, {(left, top), (right, top), (right, bottom), (left, bottom)})
    document = json.loads((exported.folder / "tiles.geojson").read_text(encoding="utf-8"))
    found = {
        feature["properties"]["name"]: (
            feature["properties"]["measurements"]["Anomaly score"],
            {tuple(point) for point in feature["geometry"]["coordinates"][0]},
        )
        for feature in document["features"]
    }
    assert found == expected


def test_overlay(exported: Exported) -> None:
    pixels = np.asarray(Image.open(exported.folder / "heatmap.overlay.png"))
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            score = exported.expected.get((row, column))
            assert pixels[row, column, 3] == (0 if score is None else 255)
            if score is not None:
                assert entry_of(pixels[row, column, :3].astype(np.float64)) == score


def test_ome_tiff(exported: Exported) -> None:
    case = exported.case
    with tifffile.TiffFile(exported.folder / "heatmap.ome.tif") as tiff:
        values = tiff.asarray()
        pixels = ome_types.from_xml(tiff.ome_metadata or "").images[0].pixels
    found = {(int(r), int(c)): float(values[r, c]) for r, c in zip(*np.nonzero(~np.isnan(values)), strict=True)}
    assert found == exported.expected
    plane = pixels.planes[0]
    assert pixels.physical_size_x and pixels.physical_size_y
    for row, column in exported.expected:
        # The middle of the cell is the middle of the whole tile, to half a pixel of rounding.
        x = (plane.position_x or 0) + (column + 0.5) * pixels.physical_size_x
        y = (plane.position_y or 0) + (row + 0.5) * pixels.physical_size_y
        middle = case.tile_size * case.mpp_target / 2
        assert x == pytest.approx(case.span_x(column)[0] * case.mpp_x + middle, abs=0.51 * case.mpp_x)
        assert y == pytest.approx(case.span_y(row)[0] * case.mpp_y + middle, abs=0.51 * case.mpp_y)


def test_picture(exported: Exported) -> None:
    case = exported.case
    figure = np.asarray(Image.open(exported.folder / "heatmap.png")).astype(np.float64)
    fit = min(1400 / case.width, 1100 / case.height)
    zoom_x, zoom_y = round(case.width * fit) / case.width, round(case.height * fit) / case.height
    seen = 0
    for (row, column), score in exported.expected.items():
        across = _seen_ends(column, case.mpp_target / case.mpp_x, case, case.width, zoom_x)
        down = _seen_ends(row, case.mpp_target / case.mpp_y, case, case.height, zoom_y)
        for x, y in itertools.product(across, down):
            # The thumbnail is white: take its share away, and the heatmap's colour is left.
            colour = (figure[HEADER + y, MARGIN + x] - 255 * (1 - OPACITY)) / OPACITY
            nearest, exact = COLOUR_TABLE[int(entry_of(colour))], COLOUR_TABLE[int(score)]
            assert np.abs(nearest.astype(int) - exact.astype(int)).max() <= 2
            seen += 1
    assert seen > 2 * len(exported.expected), "four corners of every cell, but for slivers at the edge"


def _seen_ends(place: int, scale: float, case: Case, extent: int, zoom: float) -> tuple[int, ...]:
    """The first and last pixel of the picture that a cell surely covers along one axis.

    Nothing for a sliver of under five pixels; the frame's line covers a pixel at the edge.
    """
    start = (place * case.stride + (case.tile_size - case.stride) / 2) * scale * zoom
    end = min(start + case.stride * scale * zoom, extent * zoom)
    return (int(start + 2), int(end - 2)) if end - start >= 5 else ()
