"""heatmap.ome.tif: readable, with the right sizes, and a pyramid that does not spread NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
from numpy.typing import NDArray

from tests.export.stores import Scene, make_store
from wsi_haloae.export.levels import halved, pyramid
from wsi_haloae.export.ome_tiff import write_ome_tiff
from wsi_haloae.export.open_store import OpenStore


def written(folder: Path, scene: Scene) -> tuple[Path, NDArray[np.float32]]:
    source = OpenStore(make_store(folder / "scores.zarr", scene))
    path = folder / "heatmap.ome.tif"
    write_ome_tiff(path, source)
    return path, source.heatmap.values


@pytest.mark.parametrize(
    ("size", "levels"),
    [((4, 3), 1), ((1, 1), 1), ((256, 256), 1), ((257, 1), 2), ((7, 513), 3)],
)
def test_levels_come_back(tmp_path: Path, size: tuple[int, int], levels: int) -> None:
    path, values = written(tmp_path, Scene(width=size[0] * 64, height=size[1] * 64))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        page = tiff.pages.first
        assert page.is_tiled
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.dtype == np.float32
        assert len(page.pages or ()) == levels - 1, "the pyramid is in SubIFDs"
        read = [level.asarray() for level in tiff.series[0].levels]
    assert len(read) == levels
    for level, expected in zip(read, pyramid(values), strict=True):
        np.testing.assert_array_equal(level.reshape(expected.shape), expected)


def test_sizes_are_physical(tmp_path: Path) -> None:
    scene = Scene(mpp_x=0.25, mpp_y=0.26, l0_scale_x=2.0, l0_scale_y=1.9, stride=32, name="a & b <c>.svs")
    path, _ = written(tmp_path, scene)
    with tifffile.TiffFile(path) as tiff:
        ome = ome_types.from_xml(tiff.ome_metadata or "")
    image, pixels = ome.images[0], ome.images[0].pixels
    assert image.name == scene.name
    assert pixels.channels[0].name == "Anomaly score"
    assert pixels.physical_size_x == pytest.approx(0.25 * 64)
    assert pixels.physical_size_y == pytest.approx(0.26 * 32 * 1.9)
    assert pixels.physical_size_x_unit.value == "µm"
    assert pixels.planes[0].position_x == pytest.approx(0.25 * 32)
    assert pixels.planes[0].position_y == pytest.approx(0.26 * 16 * 1.9)


def test_the_tags_of_tiff_say_the_same(tmp_path: Path) -> None:
    path, _ = written(tmp_path, Scene(width=300 * 64, height=64, mpp_x=0.25, mpp_y=0.26, l0_scale_x=2.0))
    with tifffile.TiffFile(path) as tiff:
        for number, level in enumerate(tiff.series[0].levels):
            page = level.pages[0]
            assert page.resolutionunit == tifffile.RESUNIT.CENTIMETER
            microns = [10_000 / one for one in page.resolution]
            assert microns == pytest.approx([32 * 2**number, 16.64 * 2**number])


def test_metadata_obeys_the_schema(tmp_path: Path) -> None:
    pytest.importorskip("xmlschema", reason="ome-types validates with xmlschema, which is not installed")
    path, _ = written(tmp_path, Scene(stride=32))
    with tifffile.TiffFile(path) as tiff:
        ome_types.validate_xml(tiff.ome_metadata or "")


def test_halving_ignores_nan() -> None:
    nan = np.nan
    values = np.array([[1, 3, nan, nan, 7], [nan, 5, nan, nan, nan], [2, nan, nan, 4, nan]], np.float32)
    np.testing.assert_array_equal(halved(values), np.array([[3, nan, 7], [2, 4, nan]], np.float32))
