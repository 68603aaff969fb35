"""TiledSlide: its pixels and its errors are OpenSlide's, whatever the file is like."""

from __future__ import annotations

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import tifffile

from tests.data_paths import real_data
from tests.slide.conformance import SlideConformance
from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import RegionReadError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide import same_pixels, tile_layout
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.openslide_slide import open_with_openslide
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.tile_codecs import Jpeg, Jpeg2000
from wsi_haloae.slide.tile_layout import read_layout
from wsi_haloae.slide.tiled_slide import TiledSlide
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings

TILE = 64
WIDTH, HEIGHT = 400, 336
"""The lower level is exactly half; the last tiles reach beyond the slide."""


def picture() -> np.ndarray:
    """Smooth colours and noise: halved colours are enlarged differently from how they are copied."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([127 + 120 * np.sin(x / 9 + k) * np.cos(y / (7 + k)) for k in range(3)], axis=2)
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH, 3))
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


PIXELS = picture()


def write(path: Path, *levels: np.ndarray, order: str = "<", big: bool = False, **options: object) -> Path:
    """A pyramid of JPEG tiles."""
    usual = {"tile": (TILE, TILE), "photometric": "rgb", "compression": "jpeg", "metadata": None, **options}
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as tiff:
        for number, level in enumerate(levels or (PIXELS, PIXELS[::2, ::2])):
            tiff.write(np.ascontiguousarray(level), subfiletype=min(number, 1), **usual)
    return path


def outcome(slide: Slide, box: tuple[int, int, int, int, int]) -> np.ndarray | str:
    """Pixels, or the error."""
    try:
        return slide.read_region(*box)
    except RegionReadError as error:
        return str(error)


def require_equal(path: Path, boxes: list[tuple[int, int, int, int, int]]) -> str:
    """Read all places with both; returns who decoded the pixels."""
    ours, theirs = open_slide(path), open_with_openslide(path)
    for box in boxes:
        found, expected = outcome(ours, box), outcome(theirs, box)
        if isinstance(expected, str):
            assert found == expected, box
        else:
            np.testing.assert_array_equal(found, expected, err_msg=str(box))
    return ours.properties.reader


def somewhere(path: Path, seed: int, count: int) -> list[tuple[int, int, int, int, int]]:
    """Places at random, inside and across the edges, on pixels of their level and between them."""
    properties, random = open_with_openslide(path).properties, np.random.default_rng(seed)
    boxes = []
    for number in range(count):
        level = int(random.integers(len(properties.level_dimensions)))
        step = round(properties.level_downsamples[level]) if number % 4 else 1
        x, y = (int(random.integers(-150, side + 20)) // step * step for side in (properties.width, properties.height))
        boxes.append((x, y, level, *(int(side) for side in random.integers(1, 300, 2))))
    return boxes


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return write(tmp_path_factory.mktemp("plain") / "slide.tif")


class TestPlain(SlideConformance):
    @pytest.fixture
    def opener(self, plain: Path) -> Callable[[], Slide]:
        return lambda: open_slide(plain)


class TestAperio(SlideConformance):
    @pytest.fixture
    def opener(self) -> Callable[[], Slide]:
        path = real_data("wsi/cmu-1-small-region.svs")
        return lambda: open_slide(path)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": (1, 1)},
        {"subsampling": (2, 1)},
        {"subsampling": (2, 2)},
        {"compressionargs": {"outcolorspace": "rgb"}},
        {"big": True, "tile": (48, 80)},
        {"compression": "aperio_jp2000_rgb"},
        {"compression": "zlib"},
    ],
    ids=str,
)
def test_pixels_are_those_of_openslide(options: dict, tmp_path: Path) -> None:
    if options.get("compression") == "aperio_jp2000_rgb":
        described = "Aperio Image Library v1.0\r\n400x336 (64x64) J2K/KDU Q=70|AppMag = 20|MPP = 0.5"
        options = {**options, "compressionargs": {"reversible": True, "level": 0}, "description": described}
    path = write(tmp_path / "slide.svs", **options)
    reader = require_equal(path, somewhere(path, 1, 40))
    by = {"zlib": "OpenSlide (its tiles are neither", "aperio_jp2000_rgb": "imagecodecs"}
    assert reader.startswith(by.get(str(options.get("compression")), "simplejpeg, with OpenSlide's pixels"))


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("cmu-1-small-region.svs", "simplejpeg, with"),  # tables apart from the tiles, RGB without a mark of it
        ("hpylori_IHC_pathologyatlas.tiff", "simplejpeg at level 0, 1, with"),  # below, downsamples are not whole
        ("tcga-cr-7395-01a-01-ts1.svs", "imagecodecs at level 0, with"),
    ],
)
def test_real_slides_are_read_as_by_openslide(name: str, by: str) -> None:
    path = real_data(f"wsi/{name}")
    assert require_equal(path, somewhere(path, 2, 20)).startswith(by)


def test_a_level_whose_tiles_have_other_pixels_is_left_to_openslide(tmp_path: Path) -> None:
    """OpenSlide takes both pages of this size as levels; by its size alone the second cannot be found."""
    path = write(tmp_path / "twice.tif", PIXELS, 255 - PIXELS)
    assert "has other pixels by simplejpeg" in require_equal(path, somewhere(path, 3, 20))


def test_colours_that_the_jpeg_denies_are_left_to_openslide(tmp_path: Path) -> None:
    """RGB in the TIFF, and YCbCr in the mark of each tile: OpenSlide believes the TIFF."""
    path = write(tmp_path / "slide.tif", compressionargs={"outcolorspace": "rgb"})
    mark = b"Adobe\x00\x64\x00\x00\x00\x00"
    content = path.read_bytes()
    assert content.count(mark + b"\0") > 40
    path.write_bytes(content.replace(mark + b"\0", mark + b"\1"))
    assert "simplejpeg decodes none of" in require_equal(path, somewhere(path, 4, 20))


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_tiles_lie_where_tifffile_finds_them(order: str, big: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif", PIXELS, PIXELS[:TILE, :TILE], order=order, big=big)
    with path.open("rb") as file, tifffile.TiffFile(path) as tiff:
        levels = read_layout(file, path, [(WIDTH, HEIGHT), (TILE, TILE), (WIDTH, HEIGHT)], [1.0, 6.0, 5.5])
        assert list(levels) == [0, 1]
        for level, page in zip(levels.values(), tiff.pages, strict=True):
            assert (tuple(level.offsets), tuple(level.counts)) == (page.dataoffsets, page.databytecounts)
            decoded = level.decode(file, 0)
            assert np.abs(decoded.astype(int) - PIXELS[:TILE, :TILE]).mean() < 20


def test_the_tiles_are_ours_and_decoded_once(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide = open_slide(plain)
    assert isinstance(slide, TiledSlide)
    decoded, decode = [], TiledSlide._decode
    monkeypatch.setattr(
        TiledSlide,
        "_decode",
        lambda self, level, number: decoded.append((level, number)) or decode(self, level, number),
    )
    monkeypatch.setattr(slide, "_slide", None)  # OpenSlide is not asked
    for x in (0, TILE, TILE + 7):
        slide.read_region(x, 0, 0, TILE, TILE)
    slide.read_region(2 * TILE, 0, 1, 8, 8)
    assert decoded == [(0, 0), (0, 1), (0, 2), (1, 1)]


def test_tiles_too_large_to_be_kept_are_left_to_openslide(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with plain.open("rb") as file:
        monkeypatch.setattr(tile_layout, "CACHE_BYTES", 4 * 3 * TILE * TILE)
        assert list(read_layout(file, plain, [(WIDTH, HEIGHT)], [1.0])) == [0]
        monkeypatch.setattr(tile_layout, "CACHE_BYTES", 4 * 3 * TILE * TILE - 1)
        assert not read_layout(file, plain, [(WIDTH, HEIGHT)], [1.0])


def tile_place(path: Path, number: int) -> tuple[int, int]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        return page.dataoffsets[number], page.databytecounts[number]


@pytest.mark.parametrize("name", ["slide.tif", "cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_damaged_tiles_give_the_same_pixels_or_the_same_error(name: str, tmp_path: Path) -> None:
    """libjpeg only warns of most damage, and decoders that ignore it give garbage."""
    original = write(tmp_path / "slide.tif") if name == "slide.tif" else real_data(f"wsi/{name}")
    content, random = bytearray(original.read_bytes()), np.random.default_rng(5)
    with tifffile.TiffFile(original) as tiff:
        page = tiff.pages[0]
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        side, across = page.chunks[0], page.chunked[1]
    large = [number for number, (_, count) in enumerate(places) if count > 1500 and number % across < across - 1]
    boxes = []
    for kind, number in enumerate(large[1:-1][:: max(1, len(large) // 16)]):
        offset, count = places[number]
        at = int(random.integers(count // 2, count - 40))
        length = count - at if kind % 4 == 3 else 30
        content[offset + at : offset + at + length] = random.bytes(length) if kind % 2 else b"\xff" * length
        boxes.append((number % across * side, number // across * side, 0, side, side))
    path = tmp_path / f"damaged-{name}"
    path.write_bytes(content)
    assert "with OpenSlide's pixels" in require_equal(path, boxes + boxes[:2])
    theirs = open_with_openslide(path)
    errors = sum(isinstance(outcome(theirs, box), str) for box in boxes)
    assert errors or name.startswith("tcga"), "OpenSlide refuses some"


def test_a_window_that_meets_a_damaged_tile_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By OpenSlide alone, as soon as the damage is known; windows beside it are decoded here as before."""
    path = write(tmp_path / "slide.tif")
    patched(path, 325, 8, 0)  # the second of the seven tiles in the second row has no bytes
    decoded, decode = list[int](), TiledSlide._decode
    monkeypatch.setattr(
        TiledSlide, "_decode", lambda slide, level, number: decoded.append(number) or decode(slide, level, number)
    )
    slide, theirs = open_slide(path), open_with_openslide(path)
    for box, tried in (
        ((0, TILE, 0, 4 * TILE, TILE), [7, 8]),
        ((TILE, TILE, 0, 3 * TILE, TILE), []),
        ((2 * TILE, 2 * TILE, 0, TILE, TILE), [16]),
    ):
        decoded.clear()
        assert np.array_equal(outcome(slide, box), outcome(theirs, box))
        assert decoded == tried


def patched(path: Path, tag: int, number: int, value: int) -> None:
    """Change one value of a tag of the first page."""
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags[tag].valueoffset + 4 * number
    with path.open("r+b") as file:
        file.seek(place)
        file.write(struct.pack("<I", value))


@pytest.mark.parametrize(("tag", "value"), [(325, 0), (324, 1 << 31), (325, 1 << 31), (325, 100)])
def test_places_that_cannot_be_are_left_to_openslide(tag: int, value: int, tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif")
    patched(path, tag, 8, value)
    slide = open_slide(path)
    assert isinstance(slide, TiledSlide)
    with pytest.raises(ValueError, match=r"bytes at|JPEG"):
        slide._decode(0, 8)
    require_equal(path, [(TILE, TILE, 0, TILE, TILE), (0, 0, 0, TILE, TILE)])


def test_no_memory_is_taken_for_a_size_that_a_tile_claims() -> None:
    tile = bytearray(simplejpeg.encode_jpeg(np.ascontiguousarray(PIXELS[:TILE, :TILE])))
    at = tile.index(b"\xff\xc0")
    tile[at + 1] = 0xC2  # progressive: all coefficients of the picture are held at once
    tile[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(ValueError, match="65000"):
        Jpeg("YCbCr", b"").decode(bytes(tile), TILE, TILE)
    with pytest.raises(ValueError, match="no JPEG 2000 of 64 x 64"):
        Jpeg2000().decode(b"\xff\x4f\xff\x51" + struct.pack(">HHII", 47, 0, 1 << 31, 1 << 31) + bytes(40), TILE, TILE)


def test_threads_wait_for_one_verdict_and_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, verdicts, find = write(tmp_path / "slide.tif"), [], same_pixels._found
    monkeypatch.setattr(same_pixels, "_found", lambda *given: verdicts.append(1) or find(*given))
    boxes = somewhere(path, 6, 40)
    with ThreadHandles(lambda: open_slide(path)) as handles, ThreadPoolExecutor(4) as pool:
        regions = list(pool.map(lambda box: handles.get().read_region(*box), boxes))
    assert len(verdicts) == 1
    alone = open_with_openslide(path)
    for box, region in zip(boxes, regions, strict=True):
        np.testing.assert_array_equal(region, alone.read_region(*box))


def test_a_file_that_changed_is_compared_again(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif")
    assert isinstance(open_slide(path), TiledSlide)
    write(path, compression="zlib")
    assert "neither JPEG" in open_slide(path).properties.reader


def test_tile_stores_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif")
    offset, count = tile_place(path, 8)
    with path.open("r+b") as file:  # one tile is unreadable
        file.seek(offset)
        file.write(b"\0" * count)
    written = []
    for name, opener in (("ours", open_slide), ("theirs", open_with_openslide)):
        tiling = Tiling.of(opener(path, mpp=0.5).properties, TilingSettings(0.6, 32), TissueConfig())
        rows, columns = tiling.grid.all_indices()
        places = tiling.grid.locations(rows, columns), tiling.grid.clipped_sizes(rows, columns)
        index = TileIndex(rows, columns, *places, np.ones(len(rows), np.float32))
        store = TileStore.create(tmp_path / name, tiling.header(), index)
        with ThreadHandles(lambda opener=opener: opener(path, mpp=0.5)) as handles:
            fill_tile_store(store, handles, workers=2, reporter=Reporter(quiet=True))
        files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        written.append({str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files})
        assert 0 < (store.states() == 2).sum() < len(rows), "those of the damaged tile"
    assert written[0] == written[1]
