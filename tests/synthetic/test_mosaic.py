"""A mosaic slide: its pixels are the tiles', and its truth is exact."""

from __future__ import annotations

import csv
import json
import tracemalloc
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from shapely.geometry import shape

from tests.data_paths import real_data
from tests.slide.conformance import SlideConformance
from tests.synthetic.tile_folders import tile_files
from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.synthetic.mosaic import GLASS, Mosaic, MosaicSettings, plan_mosaic
from wsi_haloae.synthetic.mosaic_tiles import PlacedTile, TileFiles, count_uses
from wsi_haloae.tissue.detection import find_tissue

SETTINGS = MosaicSettings(mpp=0.62, rows=20, columns=24, seed=1, share=0.2, regions=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiles")


@pytest.fixture(scope="module")
def reference(folder: Path) -> TileFiles:
    return tile_files(folder / "tumour", 40)


@pytest.fixture(scope="module")
def anomalous(folder: Path) -> TileFiles:
    return tile_files(folder / "fat", 7)


class Written:
    """A mosaic with its three files."""

    def __init__(self, folder: Path, mosaic: Mosaic) -> None:
        self.mosaic = mosaic
        self.slide, self.truth, self.table = (folder / name for name in ("m.tif", "m.truth.geojson", "m.tiles.csv"))
        mosaic.write_slide(self.slide)
        mosaic.write_geojson(self.truth)
        mosaic.write_table(self.table)

    def lines(self) -> list[dict[str, str]]:
        with self.table.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def features(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.truth.read_text(encoding="utf-8"))["features"]
        return found


@pytest.fixture(scope="module")
def written(reference: TileFiles, anomalous: TileFiles, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(tmp_path_factory.mktemp("mosaic"), plan_mosaic(reference, [anomalous], SETTINGS))


class TestConformance(SlideConformance):
    @pytest.fixture
    def opener(self, written: Written) -> Callable[[], Slide]:
        return lambda: open_slide(written.slide)


def test_openslide_sees_a_pyramid_with_a_pixel_size(written: Written) -> None:
    properties = open_slide(written.slide).properties
    assert properties.vendor == "generic-tiff"
    assert properties.level_dimensions == ((24 * 32, 20 * 32), (6 * 32, 5 * 32))
    assert properties.known_mpp() == pytest.approx((0.62, 0.62), rel=1e-5)


@pytest.mark.parametrize(("size", "offset"), [(32, 0), (32, 13), (48, 0), (48, 47), (300, 100)])
def test_every_pixel_is_that_of_the_turned_tile_or_glass(size: int, offset: int, tmp_path: Path) -> None:
    """Tiles narrower and wider than the TIFF's own, and not fitting into them."""
    classes = tile_files(tmp_path / "tumour", 30, size), tile_files(tmp_path / "fat", 7, size)
    settings = MosaicSettings(0.5, 12, 13, share=0.2, regions=1, offset=offset)
    written = Written(tmp_path, plan_mosaic(classes[0], [classes[1]], settings))
    expected = np.full((12 * size, 13 * size, 3), GLASS, np.uint8)
    for line in written.lines():
        with Image.open(line["source"]) as image:
            tile = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if line["flip"] == "1" else image
            x, y = int(line["x"]), int(line["y"])
            expected[y : y + size, x : x + size] = np.asarray(tile.rotate(int(line["turn"])))
    with closing(open_slide(written.slide)) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 13 * size, 12 * size), expected)


def test_a_tile_is_read_once(reference: TileFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mosaic = plan_mosaic(reference, [], replace(SETTINGS, share=0, offset=13))
    read: Counter[tuple[int, int]] = Counter()
    original = PlacedTile.pixels

    def counted(tile: PlacedTile) -> Any:
        read[tile.row, tile.column] += 1
        return original(tile)

    monkeypatch.setattr(PlacedTile, "pixels", counted)
    mosaic.write_slide(tmp_path / "m.tif")
    assert len(read) == len(mosaic.tiles)
    assert set(read.values()) == {1}


def test_the_levels_show_the_same(written: Written) -> None:
    slide = open_slide(written.slide)
    width, height = slide.properties.level_dimensions[0]
    fine = Image.fromarray(slide.read_region(0, 0, 0, width, height)).reduce(4)
    assert np.array_equal(slide.read_region(0, 0, 1, width // 4, height // 4), np.asarray(fine))


@pytest.mark.parametrize("offset", [0, 9])
def test_the_polygons_cover_exactly_the_tiles_of_their_class(
    reference: TileFiles, anomalous: TileFiles, offset: int, tmp_path: Path
) -> None:
    written = Written(tmp_path, plan_mosaic(reference, [anomalous], replace(SETTINGS, offset=offset)))
    truth, lines = read_annotations(written.truth, None), written.lines()
    locations = np.array([[int(line["x"]), int(line["y"])] for line in lines])
    sizes = np.array([[int(line["width"]), int(line["height"])] for line in lines])
    of_class = np.array([line["class"] for line in lines])
    assert set(truth.by_class) == set(of_class) == {"tumour", "fat"}
    for name in truth.by_class:
        assert truth.region(name).area == 32**2 * (of_class == name).sum()
        assert np.array_equal(coverage(truth.region(name), locations, sizes) == 1, of_class == name)
    assert truth.region("tumour").intersection(truth.region("fat")).area == 0
    assert (of_class == "fat").sum() == round(0.2 * len(lines))


def test_each_region_is_one_polygon_of_the_size_in_the_table(written: Written) -> None:
    in_table = Counter(line["region"] for line in written.lines())
    for number, size in enumerate(written.mosaic.layout.sizes, start=1):
        [feature] = [f for f in written.features() if f["properties"]["name"] == f"fat, region {number}"]
        assert shape(feature["geometry"]).area == 32**2 * size == 32**2 * in_table[str(number)]
    assert in_table[""] == sum(line["class"] == "tumour" for line in written.lines())


def test_the_truth_is_fit_for_qupath(written: Written) -> None:
    features = written.features()
    assert len({uuid.UUID(feature["id"]) for feature in features}) == len(features) >= 4
    assert {feature["geometry"]["type"] for feature in features} == {"Polygon"}
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    for feature in features:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        corners = np.array(polygon.exterior.coords)
        steps = np.diff(corners, axis=0)
        assert ((steps[:-1] != 0) != (steps[1:] != 0)).all(), "every corner is one"


def test_without_an_offset_a_line_of_the_table_is_a_tile_of_the_tiler(written: Written) -> None:
    for line in written.lines():
        assert (int(line["x"]), int(line["y"])) == (32 * int(line["column"]), 32 * int(line["row"]))


def test_the_table_names_the_group(written: Written) -> None:
    for line in written.lines():
        assert Path(line["source"]).name.startswith(f"{line['group']}_")


def test_the_same_seed_gives_the_same_bytes(
    written: Written, reference: TileFiles, anomalous: TileFiles, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    again = Written(tmp_path, plan_mosaic(reference, [anomalous], SETTINGS))
    again.mosaic.write_slide(again.slide, progress=lambda done, of: told.append((done, of)))
    for name in ("slide", "truth", "table"):
        assert getattr(again, name).read_bytes() == getattr(written, name).read_bytes()
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert len(list(tmp_path.iterdir())) == 3, "nothing else is left"
    other = plan_mosaic(reference, [anomalous], replace(SETTINGS, seed=2))
    assert not np.array_equal(other.layout.tissue, written.mosaic.layout.tissue)


def test_other_tiles_stand_in_the_same_layout(written: Written, anomalous: TileFiles, tmp_path: Path) -> None:
    other = plan_mosaic(tile_files(tmp_path / "other", 60), [anomalous], SETTINGS)
    assert np.array_equal(other.layout.region, written.mosaic.layout.region)
    assert np.array_equal(other.layout.tissue, written.mosaic.layout.tissue)


def test_files_are_used_evenly_and_never_twice_alike(
    written: Written, reference: TileFiles, anomalous: TileFiles
) -> None:
    tiles = written.mosaic.tiles
    for files in (reference, anomalous):
        uses = count_uses(tiles, files)
        assert max(uses) - min(uses) <= 1
        assert max(uses) > 3, "the test needs files that are used often"
    assert sum(count_uses(tiles, reference)) + sum(count_uses(tiles, anomalous)) == len(tiles)
    assert len({(tile.file, tile.turn, tile.flip) for tile in tiles}) == len(tiles)


def test_more_uses_than_allowed_are_refused_with_the_number_needed(anomalous: TileFiles, tmp_path: Path) -> None:
    few = tile_files(tmp_path / "few", 10)
    with pytest.raises(UsageError, match=r"few: (\d+) tiles are needed and 10 files are there.*--max-uses") as caught:
        plan_mosaic(few, [anomalous], SETTINGS)
    needed = -(-int(str(caught.value).split()[1]) // 10)
    mosaic = plan_mosaic(few, [anomalous], replace(SETTINGS, max_uses=needed))
    assert max(count_uses(mosaic.tiles, few)) == needed > 8


def test_anomalous_classes_take_the_regions_in_turn(reference: TileFiles, anomalous: TileFiles, tmp_path: Path) -> None:
    mosaic = plan_mosaic(reference, [anomalous, tile_files(tmp_path / "pen", 9)], SETTINGS)
    found = {(tile.region, tile.class_name) for tile in mosaic.tiles}
    assert found == {(0, "tumour"), (1, "fat"), (2, "pen"), (3, "fat")}
    assert {(region.class_name, region.colour) for region in mosaic.true_regions()} == {
        ("tumour", (60, 60, 200)), ("fat", (200, 0, 0)), ("pen", (230, 140, 0)),
    }  # fmt: skip
    for region in mosaic.true_regions():
        assert region.name.startswith(region.class_name)


def test_more_anomalous_classes_than_regions_are_refused(
    reference: TileFiles, anomalous: TileFiles, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"2 anomalous classes \(fat, pen\).*1 were"):
        plan_mosaic(reference, [anomalous, tile_files(tmp_path / "pen", 9)], replace(SETTINGS, regions=1))


def test_a_slide_may_be_of_reference_tiles_alone(reference: TileFiles, tmp_path: Path) -> None:
    written = Written(tmp_path, plan_mosaic(reference, [], replace(SETTINGS, share=0)))
    assert set(read_annotations(written.truth, None).by_class) == {"tumour"}
    assert {line["region"] for line in written.lines()} == {""}


def test_tiles_of_another_size_are_refused_by_name(reference: TileFiles, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"p0_0\.png: 48 x 48 pixels, but .* 32 x 32"):
        plan_mosaic(reference, [tile_files(tmp_path / "fat", 2, 48)], SETTINGS)


def test_a_tile_of_two_classes_is_refused_by_name(reference: TileFiles) -> None:
    twin = TileFiles("fat", [reference.files[3]], ["p1"])
    with pytest.raises(UsageError, match=rf"{reference.files[3].name}: was given twice"):
        plan_mosaic(reference, [twin], SETTINGS)


def test_an_offset_of_a_whole_tile_is_refused(reference: TileFiles, anomalous: TileFiles) -> None:
    with pytest.raises(UsageError, match="32 px was asked for; tiles of 32 px need 0 to 31"):
        plan_mosaic(reference, [anomalous], replace(SETTINGS, offset=32))


def test_a_tile_that_cannot_be_read_is_named_and_no_slide_is_left(anomalous: TileFiles, tmp_path: Path) -> None:
    files = tile_files(tmp_path / "tumour", 40)
    broken = files.files[7]
    broken.write_bytes(broken.read_bytes()[:-1500])
    mosaic = plan_mosaic(files, [anomalous], SETTINGS)
    with pytest.raises(UsageError, match=rf"{broken.name}: cannot be read"):
        mosaic.write_slide(tmp_path / "m.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["tumour"]


def test_memory_does_not_hold_the_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tifffile.TIFF, "MAXWORKERS", 4)  # threads that compress hoard tiles if they may
    classes = tile_files(tmp_path / "tumour", 800), tile_files(tmp_path / "fat", 80)
    mosaic = plan_mosaic(classes[0], [classes[1]], MosaicSettings(0.5, 100, 100))
    tracemalloc.start()
    mosaic.write_slide(tmp_path / "m.tif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 11e6  # a row of the TIFF's tiles has 2.6 MB, the slide 31 MB


def test_the_tissue_of_real_tiles_is_found(tmp_path: Path) -> None:
    tiles = sorted(real_data("tiles/glas_colon/test/malignant").glob("*.jpeg"))[::4]
    settings = MosaicSettings(0.62, 14, 14, share=0)
    mosaic = plan_mosaic(TileFiles("Tumor", tiles, [tile.stem for tile in tiles]), [], settings)
    mosaic.write_slide(tmp_path / "m.tif")
    with closing(open_slide(tmp_path / "m.tif")) as slide:
        found = find_tissue(slide, TissueConfig())
    rows, columns = np.divmod(np.arange(14 * 14), 14)
    share = found.fractions(np.stack([columns, rows], axis=1) * 256, np.full((14 * 14, 2), 256)).reshape(14, 14)
    tissue = mosaic.layout.tissue
    assert np.median(share[tissue]) > 0.95
    assert (share[tissue] > 0.1).mean() > 0.95
    assert np.median(share[~tissue]) == 0
    assert share[~tissue].max() < 0.5
