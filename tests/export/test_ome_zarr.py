"""OME-Zarr files by an independent validator, and by zarr alone: values, sizes, place on the slide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models.v04.image import Image as ImageV04
from ome_zarr_models.v05.image import Image
from pydantic_zarr.v2 import ArraySpec, GroupSpec

from tests.export.stores import Scene, make_store
from wsi_haloae.errors import StoreError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.ome_zarr import NumberPyramid, write_pixel_map
from wsi_haloae.heatmap import pixel_map
from wsi_haloae.heatmap.pixel_map import PixelMap

SIDE = 16


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide of 40 x 30 overlapping tiles with maps, in several blocks."""
    folder = tmp_path_factory.mktemp("zarr")
    scene = Scene(width=20 * 64 + 32, height=15 * 64 + 32, stride=32, mpp_x=0.25, mpp_y=0.5, map_size=SIDE)
    tiles = scene.grid.rows * scene.grid.columns
    maps = np.random.default_rng(0).random((tiles, SIDE, SIDE), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_map, "BLOCK", 100)
        store = make_store(folder / "scores.zarr", scene, maps=maps)
        write_exports(store, folder, formats=("ome-zarr", "map", "ome-zarr-v2"))
    return folder


def described(path: Path) -> dict[str, Any]:
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    return attributes.get("ome", attributes)  # type: ignore[return-value]


def multiscales(path: Path) -> dict[str, Any]:
    return described(path)["multiscales"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["heatmap.ome.zarr", "map.ome.zarr"])
def test_is_valid_ome_zarr(written: Path, name: str) -> None:
    group = zarr.open_group(written / name, mode="r")
    image = Image.from_zarr(group)
    assert len(image.ome_attributes.multiscales[0].datasets) == len(list(group.array_keys()))
    for _, array in group.arrays():
        assert array.dtype == np.float32
        assert array.shards is not None
        assert np.isnan(array.fill_value)


@pytest.mark.parametrize("name", ["heatmap.v2.ome.zarr", "map.v2.ome.zarr"])
def test_is_valid_ome_zarr_of_the_version_that_qupath_reads(written: Path, name: str) -> None:
    group = zarr.open_group(written / name, mode="r", zarr_format=2)
    ImageV04.model_rebuild(_types_namespace={"ArraySpec": ArraySpec, "GroupSpec": GroupSpec})  # it forgot to
    image = ImageV04.from_zarr(group)
    newer = zarr.open_group(written / name.replace(".v2", ""), mode="r")
    assert image.attributes.multiscales[0].version == "0.4"
    for dataset in image.attributes.multiscales[0].datasets:
        header = json.loads((written / name / dataset.path / ".zarray").read_text(encoding="utf-8"))
        assert header["zarr_format"] == 2
        assert header["dimension_separator"] == "/"
        assert header["compressor"] == {"id": "zlib", "level": 6}, "Java unpacks it without a further library"
        assert header["fill_value"] == "NaN"
        np.testing.assert_array_equal(group[dataset.path][:], newer[dataset.path][:])  # type: ignore[index]
    assert (written / "map.v2.ome.zarr" / "0" / "0" / "1").is_file()


@pytest.mark.parametrize("name", ["heatmap.ome.zarr", "heatmap.v2.ome.zarr"])
def test_viewers_get_colour_and_range(written: Path, name: str) -> None:
    """By the reader on which napari's plugin is built."""
    location = parse_url(written / name, mode="r")
    assert location is not None
    [node] = Reader(location)()
    assert node.metadata["contrast_limits"] == [[0.0, 255.0]]
    assert node.metadata["channel_names"] == ["Anomaly score"]
    assert node.metadata["colormap"][0][1] == [0xD7 / 255, 0x30 / 255, 0x27 / 255]
    [channel] = described(written / name)["omero"]["channels"]
    assert channel["window"]["max"] > 255, "a slider reaches the highest score"


def test_a_map_without_a_range_says_none(written: Path) -> None:
    assert "omero" not in described(written / "map.ome.zarr")


@pytest.mark.parametrize(
    ("name", "levels"),
    [("heatmap.ome.zarr", 1), ("map.ome.zarr", 2), ("heatmap.v2.ome.zarr", 1), ("map.v2.ome.zarr", 2)],
)
def test_the_reader_of_napari_finds_every_level_in_its_place(written: Path, name: str, levels: int) -> None:
    location = parse_url(written / name, mode="r")
    assert location is not None
    [node] = Reader(location)()
    told = multiscales(written / name)
    assert [axis["name"] for axis in node.metadata["axes"]] == ["y", "x"]
    assert node.metadata["coordinateTransformations"] == [
        dataset["coordinateTransformations"] for dataset in told["datasets"]
    ]
    assert len(node.data) == levels
    for number, values in enumerate(node.data):
        np.testing.assert_array_equal(values.compute(), zarr.open_group(written / name, mode="r")[str(number)][:])


def test_the_map_lies_on_the_slide(written: Path) -> None:
    """Micrometres of a cell's middle, counted from the middle of the slide's first pixel."""
    levels = multiscales(written / "map.ome.zarr")["datasets"]
    assert len(levels) == 2
    scale, translation = (levels[0]["coordinateTransformations"][n][k] for n, k in ((0, "scale"), (1, "translation")))
    assert scale == [2.0, 1.0]  # four pixels a cell
    assert translation == [0.75, 0.375]
    assert levels[1]["coordinateTransformations"][0]["scale"] == [4.0, 2.0]
    assert levels[1]["coordinateTransformations"][1]["translation"] == [1.75, 0.875]


def test_the_heatmap_carries_the_shift_of_overlap(written: Path) -> None:
    """A cell is one stride in the middle of its tile: half the overlap from the slide's corner."""
    level = multiscales(written / "heatmap.ome.zarr")["datasets"][0]["coordinateTransformations"]
    assert level[0]["scale"] == [16.0, 8.0]
    assert level[1]["translation"] == [16 * 0.5 + (16 - 0.5) / 2, 16 * 0.25 + (8 - 0.25) / 2]


def test_each_level_is_the_mean_of_the_one_before(written: Path) -> None:
    group = zarr.open_group(written / "map.ome.zarr", mode="r")
    full, half = (np.asarray(array[:]) for _, array in sorted(group.arrays()))
    assert full.shape == (248, 328)
    np.testing.assert_allclose(half, full.reshape(124, 2, 164, 2).mean(axis=(1, 3)), rtol=1e-6)


def test_a_map_is_read_back_square_by_square(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((700, 300)).astype(np.float32)
    pixels = PixelMap(da.from_array(values, chunks=256), 1.0, 1.0)
    write_pixel_map(tmp_path / "map.ome.zarr", pixels, Scene().slide)
    read = NumberPyramid(tmp_path / "map.ome.zarr")
    assert read.shapes == [(700, 300), (350, 150), (175, 75)]
    np.testing.assert_array_equal(read.read(0, 1, 1), values[256:512, 256:])
    np.testing.assert_array_equal(read.read(0, 2, 0), values[512:, :256])
    np.testing.assert_allclose(read.read(2, 0, 0)[0, 0], values[:4, :4].mean(), rtol=1e-6)
    assert read.read(0, 5, 0).size == 0


def test_what_is_no_map_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no OME-Zarr file here"):
        NumberPyramid(tmp_path / "nothing")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        NumberPyramid(tmp_path / "bad")
    (tmp_path / "bad" / "0").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="0: is a symbolic link"):
        NumberPyramid(tmp_path / "bad")
