"""Small files that once took gigabytes or minutes: each is refused, or read, for little."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import shapely

from tests.hostile.bills import (
    COMMAND,
    Stopwatch,
    bill,
    circular_tiff,
    deflated_zeros,
    feature,
    png,
    scribble,
    tiled_tiff,
    zigzag,
    zstd_flood,
)
from tests.stores.make import complete, edit, make_score_store, make_tile_store
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.bounds.table import IMAGE_PIXELS
from wsi_haloae.cli.main import run
from wsi_haloae.config import load_config
from wsi_haloae.errors import AnnotationError, ConfigError, SlideError, StoreError, UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.masks import decode_mask
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore

GIB = 1 << 30
READ = "import sys; from pathlib import Path; path = Path(sys.argv[1]); from {}; {}"


class TestSlides:
    def test_a_huge_tile_in_a_small_slide(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiled_tiff(45056, 45056, deflated_zeros(56 << 20)))
        assert path.stat().st_size < 60_000
        cost = bill(COMMAND, "info", path)
        assert cost.code == 2
        assert "2,030,043,136 pixels in one stored tile" in cost.told
        assert "WSI_HALOAE_MOST_SLIDE_TILE_PIXELS" in cost.told
        assert cost.peak < GIB // 2

    def test_what_no_check_foresees_dies_in_another_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiled_tiff(45056, 45056, deflated_zeros(56 << 20)))
        monkeypatch.setenv("WSI_HALOAE_MOST_SLIDE_TILE_PIXELS", str(10**12))
        with pytest.raises(SlideError, match=r"with 1,073,741,824 bytes of memory \(WSI_HALOAE_MOST_SLIDE_OPEN_BYTES"):
            open_slide(path)

    def test_a_slide_that_does_not_open_in_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiled_tiff(256, 256, deflated_zeros(1 << 20)))
        monkeypatch.setenv("WSI_HALOAE_MOST_SLIDE_OPEN_SECONDS", "0")
        with pytest.raises(SlideError, match=r"did not open within 0 s \(WSI_HALOAE_MOST_SLIDE_OPEN_SECONDS\)"):
            open_slide(path)
        monkeypatch.delenv("WSI_HALOAE_MOST_SLIDE_OPEN_SECONDS")
        open_slide(path).close()

    def test_a_slide_of_which_no_tile_can_be_decoded(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiled_tiff(20_000, 256, b"\1\2\3"))
        cost = bill(COMMAND, "info", path)
        assert "no part of level 0 can be decoded" in cost.told
        assert cost.seconds < 15

    @pytest.mark.parametrize(("pages", "back_to"), [(1, 0), (2, 0), (3, 1)])
    def test_pages_in_a_circle(self, pages: int, back_to: int, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(circular_tiff(pages, back_to))
        for read, error in ((decode_rgb, UsageError), (open_slide, SlideError)):
            with pytest.raises(error, match="follow each other in a circle"):
                read(path)

    def test_a_pipe(self, tmp_path: Path) -> None:
        import os

        os.mkfifo(tmp_path / "a.tif")
        with pytest.raises(SlideError, match="is a pipe"):
            open_slide(tmp_path / "a.tif")


def test_mvtec_refuses_pages_in_a_circle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "set/train/good"
    good.mkdir(parents=True)
    (good / "a.tif").write_bytes(circular_tiff(1, 0))
    assert run(["mvtec", str(tmp_path / "set"), "-o", str(tmp_path / "out")]) == 2
    assert "Traceback" not in capsys.readouterr().err


class TestImages:
    def test_a_large_png_is_refused_before_it_is_unpacked(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(13_000, 13_000))
        watch = Stopwatch()
        for read in (decode_rgb, decode_mask):
            with pytest.raises(UsageError, match="169,000,000 pixels, but at most 33,554,432 are read"):
                read(path)
        assert watch.seconds < 1

    def test_the_limit_can_be_raised(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(40, 30))
        monkeypatch.setenv("WSI_HALOAE_MOST_IMAGE_PIXELS", "1199")
        with pytest.raises(UsageError, match="WSI_HALOAE_MOST_IMAGE_PIXELS=1200"):
            decode_rgb(path)
        monkeypatch.setenv("WSI_HALOAE_MOST_IMAGE_PIXELS", "1200")
        assert decode_rgb(path).shape == (30, 40, 3)

    def test_the_largest_image_that_is_read_fits_into_a_gibibyte(self, tmp_path: Path) -> None:
        side = int(IMAGE_PIXELS.default**0.5)
        (tmp_path / "a.png").write_bytes(png(side, side, depth=16, colour=6))
        code = READ.format("wsi_haloae.images.decode import decode_rgb as read", "read(path)")
        cost = bill(code, tmp_path / "a.png")
        assert cost.code == 0, cost.told
        assert cost.peak < GIB


class TestAnnotations:
    def test_a_ring_that_crosses_itself_3000_times_is_mended(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(feature(zigzag(3000)))
        watch = Stopwatch()
        region = read_annotations(path, None).everything()
        assert watch.seconds < 3  # 0.7 s alone, and half as fast beside others
        assert region.area == pytest.approx(150_150)  # each crossing leaves a triangle 10 high and, mostly, 10 wide

    def test_a_ring_that_crosses_itself_a_million_times_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(feature(scribble(3000)))
        watch = Stopwatch()
        with pytest.raises(AnnotationError, match=r"more than 10,000 places .* WSI_HALOAE_MOST_CROSSINGS"):
            read_annotations(path, None)
        assert watch.seconds < 2

    def test_features_that_cross_each_other_a_million_times_are_refused(self, tmp_path: Path) -> None:
        def comb(*, flipped: bool) -> list[list[float]]:
            teeth = [[4.0 * n + dx, y] for n in range(500) for dx, y in ((0, 0), (0, 2000), (2, 2000), (2, 0))]
            ring = [[0.0, -10.0], *teeth, [2000.0, -10.0], [0.0, -10.0]]
            return [place[::-1] for place in ring] if flipped else ring

        path = tmp_path / "a.geojson"
        path.write_text(f"[{feature(comb(flipped=False))}, {feature(comb(flipped=True))}]")
        with pytest.raises(AnnotationError, match=r"more than 300,000 places"):
            read_annotations(path, None).everything()

    @pytest.mark.parametrize(("value", "size"), [("[0,0],", 150 << 20), ('"ab",', 120 << 20), ("[0.5,1.5],", 50 << 20)])
    def test_a_small_archive_that_unpacks_to_much(self, value: str, size: int, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson.gz"
        path.write_bytes(gzip.compress(b"[[" + value.encode() * (size // len(value)) + b"0]]", 1))
        code = READ.format("wsi_haloae.annotations.reading import read_annotations as read", "read(path, None)")
        cost = bill(code, path)
        assert "AnnotationError" in cost.told
        assert cost.peak < GIB

    def test_a_ring_nested_500_times(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(
            '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": ' + "[" * 700 + "]" * 700 + "}}"
        )
        with pytest.raises(AnnotationError, match="broken geometry"):
            read_annotations(path, None)


class TestConfigurations:
    @pytest.mark.parametrize("text", ["[" * 20_000, "{" * 20_000, "- " * 20_000, "a: 1\n" * 20_000])
    def test_towers_and_floods(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text(text)
        watch = Stopwatch()
        with pytest.raises(ConfigError, match=r"a\.yaml: .* WSI_HALOAE_MOST_CONFIG_"):
            load_config(str(path))
        with pytest.raises(ConfigError, match=r"--set model.*WSI_HALOAE_MOST_CONFIG_"):
            load_config(None, [f"model={text}"])
        assert watch.seconds < 2


class TestStores:
    @pytest.mark.parametrize("kind", ["scores", "tiles"])
    def test_a_chunk_that_unpacks_to_gigabytes(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / f"{kind}.zarr"
        _ = make_score_store(path, 70) if kind == "scores" else make_tile_store(path, 70)
        flood = zstd_flood(3_500 << 20)
        assert len(flood) < 120_000
        checksum = google_crc32c.value(flood).to_bytes(4, "little")
        (path / "row/c/0").write_bytes(flood + checksum)
        complete(path)
        store = {"scores": "score_store import ScoreStore", "tiles": "tile_store import TileStore"}[kind]
        code = READ.format(f"wsi_haloae.stores.{store} as store", "store.open(path)")
        cost = bill(code, path)
        assert "StoreError" in cost.told
        assert "would unpack to 3670016000" in cost.told
        assert cost.peak < GIB // 2

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ('"shape": [', '"shape": [9000000000, ', "9,000,000,000 entries in an array"),
            ('"chunk_shape": [', '"chunk_shape": [9000000000, ', "bytes in one chunk"),
            ('"name": "zstd"', '"name": "lzma"', "packed by lzma"),
            ('"chunk_shape": [', '"chunk_shape": ["4.6x", ', "damaged"),
        ],
    )
    def test_metadata_that_ask_for_much(self, old: str, new: str, told: str, tmp_path: Path) -> None:
        make_score_store(tmp_path / "scores.zarr", 70)
        path = tmp_path / "scores.zarr/row/zarr.json"
        lines = " ".join(path.read_text().split()).replace("[ ", "[")
        assert old in lines
        path.write_text(lines.replace(old, new, 1))
        complete(tmp_path / "scores.zarr")
        with pytest.raises(StoreError, match=told):
            ScoreStore.open(tmp_path / "scores.zarr")

    def test_tiles_below_the_last_row(self, tmp_path: Path) -> None:
        make_score_store(tmp_path / "scores.zarr", 70)
        edit(tmp_path / "scores.zarr", lambda attributes: attributes["header"]["grid"].update(tile_size=400))
        with pytest.raises(StoreError, match="tiles lie outside"):
            ScoreStore.open(tmp_path / "scores.zarr")

    def test_stores_as_they_are_written_pass(self, tmp_path: Path) -> None:
        make_score_store(tmp_path / "scores.zarr", 70)
        shutil.copytree(tmp_path / "scores.zarr", tmp_path / "copy.zarr")
        assert len(ScoreStore.open(tmp_path / "copy.zarr")) == 70


def test_a_triangle_of_a_mended_ring_is_where_it_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(feature(zigzag(300)))
    region = read_annotations(path, None).everything()
    slow = shapely.make_valid(shapely.Polygon(zigzag(300)))
    assert shapely.symmetric_difference(region, slow).area < 1e-6
    assert np.isclose(region.area, slow.area)
