"""``compare`` as a user runs it, on slides that were scored twice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from tests.export.pages import Page
from tests.export.stores import Scene, make_index, make_store
from tests.integration.test_evaluate import FACTS, outline
from wsi_haloae.cli.main import run
from wsi_haloae.evaluation.agreement import rank_correlation
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.stores.tile_store import TileStore

SCENE = Scene(width=1024, height=1024, calibration=FACTS, name="a.svs")
OTHER = replace(SCENE, model="b" * 64)
COUNT = 256


def scored(folder: Path, scene: Scene, noise: float, called: range, state: NDArray[np.uint8] | None = None) -> Path:
    """Scores that rise from left to right, disturbed by ``noise``; the tiles ``called`` have a small p-value."""
    index, random = make_index(scene), np.random.default_rng(0)
    score = (index.column + noise * random.normal(size=len(index))).astype(np.float32)
    p_value = np.full(len(index), 0.5, np.float32)
    p_value[called.start : called.stop] = 0.025
    folder.mkdir(parents=True)
    make_store(folder / "scores.zarr", scene, score=score, p_value=p_value, state=state)
    return folder


def with_pixels(folder: Path, scene: Scene = SCENE) -> None:
    """Tiles whose red is their column, and whose green is their row."""
    header, index = scene.header, make_index(scene)
    plain = StoreHeader(**{name: getattr(header, name) for name in ("slide", "grid", "read_plan", "tissue")})
    store = TileStore.create(folder / "tiles.zarr", plain, index)
    pixels = np.zeros((len(index), 64, 64, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = (15 * values[:, None, None] for values in (index.column, index.row))
    for shard in store.pending_shards():
        place = store.shard_slice(shard)
        store.write_shard(shard, pixels[place], np.full(len(pixels[place]), TileState.DONE, np.uint8))
    store.assemble()


def compared(tmp_path: Path, *arguments: object, code: int = 0) -> dict[str, object]:
    given = map(str, (tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out", *arguments))
    assert run(["compare", *given, "-q"]) == code
    return json.loads((tmp_path / "out/agreement.json").read_text())


def test_two_models_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_pixels(scored(tmp_path / "one/a", SCENE, 1, range(30)))
    scored(tmp_path / "two/a", OTHER, 3, range(10, 50))
    for side, scene in (("one", SCENE), ("two", OTHER)):
        scored(tmp_path / side / "b", replace(scene, name="b.svs"), 2, range(5))
        Image.new("RGB", (8, 8)).save(tmp_path / side / "a/heatmap.png")
    found = compared(tmp_path, "--annotations", outline(tmp_path / "all.geojson"), "--reference", "Tumor")
    assert found["slides"]["a"]["calls"] == {"both": 20, "only_first": 10, "only_second": 20, "neither": 206}
    assert found["slides"]["b"]["spearman"] == pytest.approx(1)
    assert 0.5 < found["slides"]["a"]["spearman"] < found["together"]["spearman"] < 1
    assert found["together"]["tiles"] == 2 * COUNT
    area = found["auroc"]
    assert area["difference"] == area["second"] - area["first"] < 0, "more noise, less AUROC"
    assert area["difference_interval"]["low"] <= area["difference"] <= area["difference_interval"]["high"]
    assert found["aurocs"]["b"][0] == found["aurocs"]["b"][1]
    assert any("say nothing about other patients" in warning for warning in found["warnings"])
    assert any("all.geojson has another name than a.svs, b.svs" in warning for warning in found["warnings"])
    assert "The picture of tiles has none of b, whose pixels are not kept." in found["warnings"]
    assert not any("called differently" in warning for warning in found["warnings"]), "both at 5 % of tiles"
    told = capsys.readouterr().out
    assert "model aaaaaaaa" in told
    assert "model bbbbbbbb" in told
    assert "all slides" in told
    assert "AUROC on 384 outlined tiles" in told
    assert "second minus first -0." in told
    with (tmp_path / "out/agreement.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["slide"], row["only_by_second"]) for row in rows] == [("a", "20"), ("b", "0")]
    page = Page(tmp_path / "out/agreement.html")
    page.assert_self_contained()
    assert "paired" in page.words
    assert "a: first a: second" in page.words, "heatmaps one above the other, with their colour bars"
    assert "bluer is more like the reference" in page.words
    with Image.open(tmp_path / "out/differences.png") as picture:
        assert picture.width > 900


def test_the_picture_shows_only_tiles_that_one_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pixels(scored(tmp_path / "one/a", SCENE, 1, range(16)))  # the uppermost row
    scored(tmp_path / "two/a", OTHER, 3, range(240, 256))  # the lowest one
    drawn = []
    monkeypatch.setattr("wsi_haloae.evaluation.agreement_sheet.write_tile_rows", lambda _path, rows: drawn.extend(rows))
    compared(tmp_path)
    assert [row.label for row in drawn] == ["called only by\nthe first"] * 2 + ["called only by\nthe second"] * 2
    greens = [{int(pixels[0, 0, 1]) for _, pixels in row.tiles} for row in drawn]
    assert greens == [{0}, {0}, {225}, {225}]


def test_without_pixels_or_calls_it_says_so_and_compares_the_rest(tmp_path: Path) -> None:
    for side, scene in (("one", SCENE), ("two", replace(OTHER, calibration=None))):
        scored(tmp_path / side / "a", scene, 1, range(9))
    found = compared(tmp_path)
    assert found["slides"]["a"]["calls"] is None, "not 0"
    assert found["together"]["spearman"] == pytest.approx(1)
    said = " ".join(found["warnings"])
    assert "--keep-tiles" in said
    assert "The second: No tile can be called anomalous" in said
    assert "All scores are the same" in said
    assert not (tmp_path / "out/differences.png").exists()
    assert "256 1.000 - - -" in " ".join(Page(tmp_path / "out/agreement.html").words.split())


def test_a_tile_without_a_score_on_one_side_is_left_out(tmp_path: Path) -> None:
    state = np.full(COUNT, TileState.DONE, np.uint8)
    state[:6] = TileState.UNREADABLE
    scored(tmp_path / "one/a", SCENE, 1, range(9), state)
    scored(tmp_path / "two/a", OTHER, 1, range(9))
    found = compared(tmp_path)
    assert (found["slides"]["a"]["tiles"], found["slides"]["a"]["left_out"]) == (COUNT - 6, 6)
    assert any("6 tiles that have no score" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (replace(OTHER, stride=32), "stride 32"),
        (replace(OTHER, l0_scale_x=2.0, l0_scale_y=2.0), "at 1 µm/px"),
        (replace(OTHER, width=960), "tiles lie on two grids"),
        (replace(OTHER, fingerprint="e" * 64), "two different slides have this name"),
    ],
)
def test_what_has_other_tiles_is_not_compared(
    scene: Scene, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "one/a", SCENE, 1, range(9))
    scored(tmp_path / "two/a", scene, 1, range(9))
    assert run(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert "none of the slides in both folders (1) can be compared" in said


def test_one_slide_that_differs_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, scene, kept in (("one", SCENE, 16), ("two", OTHER, 8)):
        scored(tmp_path / side / "a", scene, 1, range(9))
        (tmp_path / side / "b").mkdir()
        chosen = np.arange(16) < kept
        make_store(tmp_path / side / "b/scores.zarr", scene, kept=np.broadcast_to(chosen, (16, 16)))
    scored(tmp_path / "one/c", SCENE, 1, range(9))
    found = compared(tmp_path, code=1)
    assert list(found["slides"]) == ["a"]
    assert f"Only in {tmp_path / 'one'}: c." in found["warnings"]
    assert "256 tiles were chosen first and 128 second, 128 of them the same" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_folder_that_was_scored_in_two_ways_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, scene in (("one", SCENE), ("two", OTHER)):
        scored(tmp_path / side / "a", scene, 1, range(9))
        scored(tmp_path / side / "b", SCENE, 1, range(9))
    assert run(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "out")]) == 2
    assert "the second folder were scored in several ways" in " ".join(capsys.readouterr().err.split())


def test_half_of_the_outlines_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, scene in (("one", SCENE), ("two", OTHER)):
        scored(tmp_path / side / "a", scene, 1, range(9))
    command = ["compare", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "out")]
    assert run([*command, "--reference", "Tumor"]) == 2
    assert "--annotations is missing" in capsys.readouterr().err


def test_rank_correlation_is_spearmans_and_none_where_it_is_undefined() -> None:
    first, second = np.random.default_rng(1).normal(size=(2, 50))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(first, np.ones(50)) is None
    assert rank_correlation(first[:1], second[:1]) is None
