"""The examples run as they are written, and the crops of real slides are what they are said to be."""

import runpy
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely

from benchmarks.forked import start
from tests.data_paths import real_data
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.cli.main import run
from wsi_haloae.slide.readers import open_slide

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_synthetic_slide_is_one_that_info_can_describe(tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    size = ["--width", "1024", "--height", "1024"]
    process = start(EXAMPLES / "synthetic_slide.py", slide, *size, said=tmp_path / "said.txt")
    process.join(60)
    assert process.exitcode == 0
    assert slide.with_suffix(".geojson").exists()
    assert run(["info", str(slide)]) == 0


LIVER = EXAMPLES / "liver"
CUT = runpy.run_path(str(LIVER / "cut.py"))
TILE = 128 * 128


@pytest.mark.parametrize(("name", "lesion"), [("liver-hemangioma", "Hemangioma"), ("liver-sarcoma", "Tumor")])
def test_a_crop_has_its_pixel_size_and_outlines_of_liver_and_lesion(name: str, lesion: str) -> None:
    with closing(open_slide(LIVER / f"{name}.tiff")) as slide:
        assert slide.properties.known_mpp() == (0.5, 0.5)
        assert len(slide.properties.level_dimensions) > 1
        width, height = slide.properties.width, slide.properties.height
    regions = read_annotations(LIVER / f"{name}.geojson", None).by_class
    assert set(regions) == {"Liver", lesion}
    assert shapely.unary_union([*regions.values()]).bounds == (0, 0, width, height)
    assert min(region.area for region in regions.values()) > 30 * TILE


def test_the_crops_stay_small_and_have_source_and_licence_beside_them() -> None:
    assert sum(path.stat().st_size for path in LIVER.iterdir() if path.is_file()) < 3_000_000
    assert "pathologyatlas" in (LIVER / "LICENSE").read_text()
    assert "layman" in (LIVER / "README.md").read_text()


@pytest.mark.parametrize("name", CUT["CROPS"])
def test_a_crop_is_cut_from_where_the_example_says(name: str, tmp_path: Path) -> None:
    place = CUT["CROPS"][name]
    with (
        closing(open_slide(real_data(f"wsi/{name}.tiff"))) as source,
        closing(open_slide(LIVER / f"{name}.tiff")) as crop,
    ):
        theirs = source.read_region(place.left + 256, place.top + 256, 0, 512, 256).astype(float)
        ours = crop.read_region(256, 256, 0, 512, 256).astype(float)
    assert np.abs(theirs - ours).mean() < 0.5, "compressed once more, at the same quality"
    CUT["cut_outlines"](real_data(f"wsi/{name}.geojson"), place, tmp_path / "cut.geojson")
    assert (tmp_path / "cut.geojson").read_bytes() == (LIVER / f"{name}.geojson").read_bytes()
