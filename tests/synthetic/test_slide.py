"""The synthetic slide: its file, its truth, and that only texture tells its classes apart."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from tests.slide.conformance import SlideConformance
from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.synthetic.layout import make_layout
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.synthetic.truth import SyntheticTruth
from wsi_haloae.tissue.detection import find_tissue

pytestmark = pytest.mark.slow

SIZE = 4096
Made = tuple[Path, SyntheticTruth]
Classes = tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    path = tmp_path_factory.mktemp("synthetic") / "small.tif"
    return path, write_synthetic_slide(path, width=1301, height=1030, seed=3, mpp=0.25)


@pytest.fixture(scope="module", params=[0, 1, 2])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    path = tmp_path_factory.mktemp("synthetic") / "large.tif"
    return path, write_synthetic_slide(path, width=SIZE, height=SIZE, seed=request.param)


@pytest.fixture(scope="module")
def classes(large: Made) -> Classes:
    """Pixels of the large slide, where its tumour is, and where its stroma is."""
    path, truth = large
    pixels = open_slide(path).read_region(0, 0, 0, SIZE, SIZE)
    return pixels, _covers(truth.polygons["Tumor"]), _covers(truth.polygons["Stroma"])


class TestConformance(SlideConformance):
    @pytest.fixture
    def opener(self, small: Made) -> Callable[[], Slide]:
        return lambda: open_slide(small[0])


def test_openslide_sees_a_pyramid_with_a_pixel_size(small: Made) -> None:
    properties = open_slide(small[0]).properties
    assert properties.vendor == "generic-tiff"
    assert properties.level_dimensions == ((1301, 1030), (325, 257))
    assert properties.known_mpp() == pytest.approx((0.25, 0.25), rel=1e-6)


def test_the_levels_show_the_same(small: Made) -> None:
    slide = open_slide(small[0])
    fine = Image.fromarray(slide.read_region(0, 0, 0, 1300, 1028)).reduce(4)
    coarse = slide.read_region(0, 0, 1, 325, 257)
    assert np.abs(np.asarray(fine).astype(int) - coarse).mean() < 2.5  # JPEG twice


def test_the_same_seed_gives_the_same_bytes_and_leaves_nothing_else(small: Made, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    again = tmp_path / "again.tif"
    truth = write_synthetic_slide(
        again, width=1301, height=1030, seed=3, mpp=0.25, progress=lambda done, of: told.append((done, of))
    )
    assert again.read_bytes() == small[0].read_bytes()
    assert truth == small[1]
    assert told == [(row, 5) for row in range(1, 6)]
    assert list(tmp_path.iterdir()) == [again]


def test_another_seed_gives_another_layout() -> None:
    first, second = (make_layout(np.random.default_rng(seed), 1024, 1024, 0.5) for seed in (0, 1))
    assert first.tumour != second.tumour


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic_slide(tmp_path / "slide.tif", width=600, height=600, seed=0, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_slide(tmp_path: Path) -> None:
    peaks = []
    for height in (1024, 6144):
        tracemalloc.start()
        write_synthetic_slide(tmp_path / "slide.tif", width=1024, height=height, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 8e6  # the larger slide has 16 MB more pixels


def test_the_polygons_are_valid_and_do_not_overlap(large: Made) -> None:
    polygons = large[1].polygons
    tumour, stroma = polygons["Tumor"], polygons["Stroma"]
    assert list(polygons) == ["Tumor", "Stroma", "Pen", "Blur"]
    assert all(parts.is_valid and not parts.is_empty for parts in polygons.values())
    assert tumour.intersection(stroma).area == 0
    assert 0.35 < tumour.area / (tumour.area + stroma.area) < 0.6
    assert polygons["Pen"].intersection(tumour.union(stroma)).is_empty
    assert polygons["Blur"].difference(tumour.union(stroma).buffer(0.1)).is_empty


def test_the_truth_agrees_with_the_pixels(large: Made) -> None:
    path, truth = large
    pixels = open_slide(path).read_region(0, 0, 0, SIZE, SIZE)
    inside = {name: _covers(parts.buffer(-4)) for name, parts in truth.polygons.items()}
    tissue = truth.polygons["Tumor"].union(truth.polygons["Stroma"])
    glass = ~_covers(tissue.buffer(30)) & ~_covers(truth.polygons["Pen"].buffer(30))
    red, green = pixels[..., 0].astype(int), pixels[..., 1].astype(int)
    stained = red - green > 12
    assert stained[inside["Tumor"] | inside["Stroma"]].mean() > 0.995
    assert stained[glass].mean() < 1e-3
    assert pixels[glass].mean() > 235
    assert pixels[inside["Pen"]].astype(int).std(axis=0).max() < 8


def test_the_file_is_fit_for_qupath(small: Made, tmp_path: Path) -> None:
    first, second = tmp_path / "first.geojson", tmp_path / "second.geojson"
    small[1].write_geojson(first)
    small[1].write_geojson(second)
    assert first.read_bytes() == second.read_bytes()
    features = json.loads(first.read_text(encoding="utf-8"))["features"]
    assert len({uuid.UUID(feature["id"]) for feature in features}) == len(features)
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    assert {feature["properties"]["classification"]["name"] for feature in features} == set(small[1].polygons)
    assert all(shape(feature["geometry"]).is_valid for feature in features)


def test_the_classes_share_colour_and_contrast(classes: Classes) -> None:
    pixels, tumour, stroma = classes
    for of_class in (np.mean, np.std):
        assert np.abs(of_class(pixels[tumour], axis=0) - of_class(pixels[stroma], axis=0)).max() < 1


@pytest.mark.parametrize("tile", [128, 256])
def test_colour_and_contrast_of_tiles_do_not_tell_the_classes_apart(classes: Classes, tile: int) -> None:
    pixels, tumour, stroma = classes
    tiles = pixels.reshape(SIZE // tile, tile, SIZE // tile, tile, 3).astype(np.float32)
    shares = [mask.reshape(SIZE // tile, tile, SIZE // tile, tile).mean(axis=(1, 3)) for mask in (tumour, stroma)]
    for statistic in (tiles.mean(axis=(1, 3)), tiles.std(axis=(1, 3))):
        for values in (*np.moveaxis(statistic, -1, 0), statistic.mean(axis=-1)):
            assert 0.4 < _auroc(values[shares[0] >= 0.5], values[shares[1] >= 0.5]) < 0.6


def test_texture_does_tell_the_classes_apart(classes: Classes) -> None:
    """Fibres run one way, nuclei no way: the structure tensor's coherence separates them."""
    pixels, tumour, stroma = classes
    grey = pixels.mean(axis=2, dtype=np.float32)
    down, across = np.gradient(grey)
    products = (across * across, down * down, across * down)
    xx, yy, xy = (product.reshape(SIZE // 128, 128, SIZE // 128, 128).mean(axis=(1, 3)) for product in products)
    coherence = np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-6)
    shares = [mask.reshape(SIZE // 128, 128, SIZE // 128, 128).mean(axis=(1, 3)) for mask in (tumour, stroma)]
    assert _auroc(coherence[shares[1] > 0.9], coherence[shares[0] > 0.9]) > 0.95


def test_the_tissue_is_found_and_the_pen_is_not(large: Made) -> None:
    path, truth = large
    found = find_tissue(open_slide(path), TissueConfig())
    height, width = found.mask.shape
    tissue = np.asarray(
        Image.fromarray(_covers(truth.polygons["Tumor"].union(truth.polygons["Stroma"]))).resize((width, height))
    )
    pen = np.asarray(Image.fromarray(_covers(truth.polygons["Pen"])).resize((width, height)))
    assert found.mask[tissue].mean() > 0.99
    assert found.mask.sum() < 1.12 * tissue.sum()
    assert not found.mask[pen].any()


def test_slide_modules_need_no_torch() -> None:
    code = "import sys, wsi_haloae.synthetic.slide, wsi_haloae.tissue.detection; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _covers(parts: BaseGeometry) -> NDArray[np.bool_]:
    """Pixels of the large slide that the polygons cover."""
    canvas = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(canvas)
    for polygon in sorted(getattr(parts, "geoms", [parts]), key=lambda polygon: -polygon.envelope.area):
        draw.polygon([(x - 0.5, y - 0.5) for x, y in polygon.exterior.coords], fill=1)
        for ring in polygon.interiors:
            draw.polygon([(x - 0.5, y - 0.5) for x, y in ring.coords], fill=0)
    return np.array(canvas, bool)


def _auroc(higher: NDArray[np.float32], lower: NDArray[np.float32]) -> float:
    above = higher[:, None] > lower
    return float(above.mean() + (higher[:, None] == lower).mean() / 2)
