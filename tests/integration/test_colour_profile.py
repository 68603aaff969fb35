"""``--colour-profile`` from the slide's file to the viewer: the same sRGB everywhere, and nothing mixed."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
from PIL import Image

import wsi_haloae
from tests.integration.conftest import TINY, Tiny
from tests.slide.profiles import not_for_rgb, swapped_and_bright
from tests.slide.test_srgb_slide import by_pillow
from wsi_haloae.cli.main import run
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.viewer.picture import SlidePicture

SIZE = 64


class Profiled(NamedTuple):
    slide: Path
    model: Path
    scored: Path


def with_profile(slide: Path, path: Path, profile: bytes | None) -> Path:
    """The synthetic slide again, its red and green swapped, in a file with another profile."""
    with closing(open_slide(slide)) as opened:
        pixels = opened.read_region(0, 0, 0, opened.properties.width, opened.properties.height)[..., [1, 0, 2]]
    tifffile.imwrite(
        path, pixels, photometric="rgb", tile=(256, 256), compression="zlib", iccprofile=profile, metadata=None,
        resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def profiled(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    """A slide whose profile matters, a model trained on it in sRGB, and what ``score`` made of it unasked."""
    folder = tmp_path_factory.mktemp("profiled")
    slide = with_profile(tiny.slide, folder / "profiled.tif", swapped_and_bright())
    model = folder / "model.safetensors"
    command = ["train-tiles", str(slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert run([*command, "--tile-size", str(SIZE), *TINY, "--colour-profile", "apply", "-q"]) == 0
    assert run(["score", str(slide), "-m", str(model), "-o", str(folder / "out"), "--keep-tiles", "-q"]) == 0
    return Profiled(slide, model, folder / "out/profiled")


def refused(command: list[str | int | Path], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """What a refused command said."""
    capsys.readouterr()
    assert run([str(each) for each in command]) == code
    return capsys.readouterr().err.replace("\n", " ")


def test_score_follows_the_model_and_says_so(
    profiled: Profiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Checkpoint.load(profiled.model).facts.colour_profile == "apply"
    assert run(["score", str(profiled.slide), "-m", str(profiled.model), "-o", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "colours converted to sRGB by the colour (ICC) profile 'sRGB built-in'" in (told.out + told.err).replace(
        "\n", " "
    )
    record = json.loads((tmp_path / "profiled/run.json").read_text())
    assert record["colour_profile"] == "apply"
    assert "sRGB built-in" in record["colours"]
    assert ScoreStore.open(profiled.scored / "scores.zarr").header.colour_profile == "apply"
    assert "converted to sRGB by the slide&#39;s colour (ICC) profile" in (profiled.scored / "report.html").read_text()


def test_tiles_gallery_thumbnail_and_viewer_show_the_pixels_of_the_model(profiled: Profiled) -> None:
    with closing(open_slide(profiled.slide)) as slide:
        width, height = slide.properties.width, slide.properties.height
        whole = by_pillow(slide.read_region(0, 0, 0, width, height), swapped_and_bright())
    tiles = TileStore.open(profiled.scored / "tiles.zarr")
    scores = ScoreStore.open(profiled.scored / "scores.zarr")
    with closing(SlidePicture(profiled.slide, scores)) as picture:
        for number in range(0, len(tiles), 7):
            x, y = tiles.index.location[number]
            expected = whole[y : y + SIZE, x : x + SIZE]
            assert np.array_equal(tiles.read_tile(number), expected)
            assert np.array_equal(picture.scored_tile(number), expected)
        level, side = picture.deep_zoom.levels - 1, picture.zoom_tile(picture.deep_zoom.levels - 1, 0, 0)[0].shape
        assert np.array_equal(picture.zoom_tile(level, 0, 0)[0], whole[: side[0], : side[1]])
        assert picture.version.endswith("-srgb"), "a browser may have kept the others"
    assert np.abs(scores.thumbnail().mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 3


def test_other_colours_than_the_models_are_refused(
    profiled: Profiled, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score = ["score", profiled.slide, "-o", tmp_path]
    told = refused([*score, "-m", profiled.model, "--colour-profile", "ignore"], capsys)
    assert "--colour-profile ignore was given, but the model was trained with 'apply'" in told
    told = refused([*score, "-m", tiny.model, "--colour-profile", "apply", "--dry-run"], capsys)
    assert "trained with 'ignore'" in told
    assert not list(tmp_path.iterdir())
    with pytest.raises(WsiHaloaeError, match="trained with 'apply'"):
        wsi_haloae.score(profiled.slide, profiled.model, tmp_path, colour_profile="ignore", quiet=True)


def test_stores_of_other_colours_are_refused_by_name(
    profiled: Profiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tile = ["tile", profiled.slide, "--tile-size", SIZE, "-q", "-o"]
    for use in ("apply", "ignore"):
        assert run([str(each) for each in (*tile, tmp_path / use, "--colour-profile", use)]) == 0
    told = refused([*tile, tmp_path / "apply"], capsys)
    assert "--colour-profile (it has apply, this command ignore)" in told
    assert run([str(each) for each in (*tile, tmp_path / "ignore")]) == 0, "ignore is the default"
    train = ["train-tiles", "-o", tmp_path / "m.safetensors", *TINY, tmp_path / "apply"]
    told = refused([*train, tmp_path / "ignore"], capsys)
    assert "tiles made with --colour-profile ignore, but those in" in told
    told = refused([*train, "--colour-profile", "ignore"], capsys)
    assert "--colour-profile ignore was given, but these tiles were made with 'apply'" in told


def test_older_stores_have_the_identity_that_they_had(profiled: Profiled, tmp_path: Path) -> None:
    assert run(["tile", str(profiled.slide), "--tile-size", str(SIZE), "-q", "-o", str(tmp_path)]) == 0
    header = TileStore.open(tmp_path / "profiled/tiles.zarr").header
    older = type(header).model_validate(header.model_dump(exclude={"colour_profile"}))
    assert "colour_profile" not in header.identity()
    assert older.identity() == header.identity()


def test_slides_without_a_profile_or_with_one_that_cannot_be_applied(
    profiled: Profiled, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = with_profile(tiny.slide, tmp_path / "bad.tif", not_for_rgb())
    plain = Path(shutil.copy(tiny.slide, tmp_path / "plain.tif"))
    command = ["tile", bad, plain, "-o", tmp_path / "out", "--tile-size", SIZE, "--colour-profile", "apply"]
    told = refused(command, capsys, 1)
    assert "its colour (ICC) profile is one from Lab to Lab, not for RGB. So --colour-profile apply is not" in told
    assert "no colour (ICC) profile in the file: taken as sRGB" in told
    assert TileStore.open(tmp_path / "out/plain/tiles.zarr").finished
    for slide, words in {
        bad: "cannot be applied",
        plain: "none in the file",
        profiled.slide: "'sRGB built-in'",
    }.items():
        assert run(["info", str(slide)]) == 0
        assert words in capsys.readouterr().out


def test_the_api_takes_the_same_argument(profiled: Profiled, tmp_path: Path) -> None:
    converted = wsi_haloae.open_slide(profiled.slide, colour_profile="apply")
    stored = wsi_haloae.open_slide(profiled.slide)
    expected = by_pillow(np.asarray(stored.thumbnail(0.5)), swapped_and_bright())
    assert np.array_equal(np.asarray(converted.thumbnail(0.5)), expected)
    assert converted.tile(tile_size=SIZE)[0].shape == (SIZE, SIZE, 3)
    found = wsi_haloae.score(stored, profiled.model, tmp_path, colour_profile="apply", quiet=True)
    assert found.store.header.colour_profile == "apply"


def test_info_finds_tissue_on_the_colours_that_are_asked_for(
    profiled: Profiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for use in ("ignore", "apply"):
        pictures.append(tmp_path / f"{use}.png")
        assert run(["info", str(profiled.slide), "--colour-profile", use, "--preview", str(pictures[-1])]) == 0
    stored, converted = (np.asarray(Image.open(path), np.int16) for path in pictures)
    assert np.abs(stored - converted).mean() > 5
