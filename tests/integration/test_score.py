"""``score`` as a user runs it: outputs, exit codes, resume after a kill, same bytes."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
import zarr
from ome_zarr_models.v05.image import Image as OmeImage
from PIL import Image

from tests.data_paths import real_data
from tests.export.pages import Page
from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.cohort.status import gather
from wsi_haloae.export.formats import all_files
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore

OUTPUTS = {
    "tiles.csv", "heatmap.png", "heatmap.overlay.png", "heatmap.ome.tif", "tiles.geojson", "preview.png",
    "artefacts.png", "heatmap.ome.zarr", "tiles.parquet", "regions.geojson", "show_heatmap.groovy", "show_tiles.groovy",
    "heatmap.small.jpg", "report.html",
}  # fmt: skip


def score(tiny: Tiny, output: Path, *more: str, slide: Path | None = None) -> int:
    return run(["score", str(slide or tiny.slide), "--model", str(tiny.model), "-o", str(output), "-q", *more])


def digests(folder: Path) -> dict[str, str]:
    """Every output but what holds times (records, cohort.csv, logs), by its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"run.json", "cohort.csv", "score.log"}
    }


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "tiles.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def scored(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("scored")
    assert score(tiny, output) == 0
    return output / tiny.slide.stem


def test_leaves_every_file_of_the_contract_and_no_tiles(scored: Path) -> None:
    files = {path.name for path in scored.iterdir()}
    assert files >= OUTPUTS
    assert files <= {path.name for path in all_files(scored)} | {"scores.zarr", "run.json", ".lock"}
    beside = {"import_project.groovy", "export_annotations.groovy", "index.html", "cohort.csv", ".lock"}
    assert {path.name for path in scored.parent.iterdir()} == {scored.name, *beside}
    record = json.loads((scored / "run.json").read_text())
    assert record["state"] == "done"
    assert record["counts"]["tiles"] > 50
    assert record["counts"]["unreadable"] == 0
    assert record["reader"] == "simplejpeg, with OpenSlide's pixels"


def test_table_picture_and_numbers_agree_on_a_real_file(tiny: Tiny, scored: Path) -> None:
    """A tile's score in the CSV is at its place in the OME-TIFF; unscored places are NaN."""
    values = tifffile.imread(scored / "heatmap.ome.tif")
    rows = table(scored)
    assert np.isfinite(values).sum() == len(rows)
    alpha = np.asarray(Image.open(scored / "heatmap.overlay.png"))[..., 3]
    assert (alpha > 0).sum() == len(rows)
    for row in rows:
        place = int(row["row"]), int(row["column"])
        assert values[place] == pytest.approx(float(row["score"]), rel=1e-6)
        assert (int(row["x"]), int(row["y"])) == (place[1] * 64, place[0] * 64)


def test_scores_are_those_of_the_pixels_at_their_place(tiny: Tiny, scored: Path) -> None:
    """One tile is read again by hand and scored alone: same number as in the store, before adaptation."""
    import torch

    from wsi_haloae.model.checkpoint import Checkpoint
    from wsi_haloae.scoring.scorer import Scorer

    checkpoint = Checkpoint.load(tiny.model)
    scorer = Scorer(checkpoint, torch.device("cpu"), 16)
    slide, store = open_slide(tiny.slide), ScoreStore.open(scored / "scores.zarr")
    column = store.header.rules.index(checkpoint.facts.config.scoring.rule)
    rows, scores = table(scored), store.scores().rules[:, column]
    for number in (0, len(rows) // 2, -1):
        tile = slide.read_region(int(rows[number]["x"]), int(rows[number]["y"]), 0, 64, 64)
        assert scorer.score(tile[None]).score[0] == pytest.approx(scores[number], rel=1e-4)
    slide.close()


def test_the_gallery_is_the_ends_of_the_table_with_the_slides_pixels(tiny: Tiny, scored: Path) -> None:
    """Its tiles are read again by hand, and their maps computed one by one."""
    import torch

    from wsi_haloae.adaptation.adapt import adapt
    from wsi_haloae.model.checkpoint import Checkpoint
    from wsi_haloae.scoring.scorer import Scorer
    from wsi_haloae.stores.gallery import GalleryRole
    from wsi_haloae.stores.score_store import ScoreStore
    from wsi_haloae.stores.sharded import TileState

    store = ScoreStore.open(scored / "scores.zarr")
    shown, rows = store.gallery(), table(scored)
    assert shown is not None
    clean = [number for number, row in enumerate(rows) if not row["flags"]]
    ranked = sorted(clean, key=lambda number: -float(rows[number]["score"]))
    assert shown.number[shown.role == GalleryRole.MOST_ANOMALOUS].tolist() == ranked[:12]
    assert shown.number[shown.role == GalleryRole.LEAST_ANOMALOUS].tolist() == ranked[:-13:-1]
    scorer, slide = Scorer(Checkpoint.load(tiny.model), torch.device("cpu"), 16), open_slide(tiny.slide)
    asked, done = store.adapted.record.asked, store.states() == TileState.DONE
    seen_from = adapt(store.reference(), store.descriptors(), done, asked).standpoint
    for place in (0, 7, len(shown) - 1):
        row = rows[shown.number[place]]
        tile = slide.read_region(int(row["x"]), int(row["y"]), 0, 64, 64)
        np.testing.assert_array_equal(shown.pixels[place], tile)
        np.testing.assert_allclose(shown.maps[place], scorer.maps(tile[None], seen_from)[0], rtol=1e-3, atol=1e-4)
    slide.close()


def test_the_report_and_the_index_are_whole(tiny: Tiny, scored: Path) -> None:
    report, index = Page(scored / "report.html"), Page(scored.parent / "index.html")
    for page in (report, index):
        page.assert_self_contained()
    assert {path.name for path in scored.iterdir()} >= set(report.values("a", "href")) - {"../index.html"}
    assert "tiny/report.html" in index.values("a", "href")
    told = json.loads((scored / "run.json").read_text())["counts"]
    assert f"{told['anomalous']} of {told['scored']} tiles" in report.words.replace("None of", "0 of")


def test_a_slide_is_scored_without_slow_imports_that_it_does_not_need(tiny: Tiny, tmp_path: Path) -> None:
    """Dask's cluster, scikit-learn and torch's compiler take seconds of every command that scores."""
    code = (
        "import sys; from wsi_haloae.cli.main import run; assert run(sys.argv[1:]) == 0; "
        "print(sorted({'distributed', 'sklearn', 'torch._dynamo', 'torchvision'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "score", tiny.slide, "-m", tiny.model, "-o", tmp_path, "-q"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_two_runs_give_the_same_bytes(tiny: Tiny, scored: Path, tmp_path: Path) -> None:
    assert score(tiny, tmp_path, "--num-workers", "1") == 0
    assert digests(tmp_path) == digests(scored.parent)


def test_a_finished_slide_is_skipped_and_another_model_refused(
    tiny: Tiny, scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(scored.parent, tmp_path / "out")
    before = digests(tmp_path / "out")
    assert run(["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(tmp_path / "out")]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert score(tiny, tmp_path / "out", "--stride", "48") == 2
    assert [(row.state, row.error) for row in gather(tmp_path / "out")] == [("done", "")], "it is finished as before"
    assert "--overwrite" in capsys.readouterr().err
    assert digests(tmp_path / "out") == before
    of_the_old = [tmp_path / "out/tiny" / name for name in ("tiles.h5ad", "tiles.geojson.gz", "map.ome.zarr/0")]
    for path in of_the_old:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert score(tiny, tmp_path / "out", "--stride", "48", "--overwrite") == 0
    assert not any(path.exists() for path in of_the_old)


def test_a_bad_slide_is_recorded_and_the_rest_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    assert score(tiny, tmp_path / "out", str(broken), "-n", "1") == 1
    assert json.loads((tmp_path / "out/broken/run.json").read_text())["state"] == "failed"
    index = Page(tmp_path / "out/index.html")
    index.assert_self_contained()
    assert "2 slides: 1 done, 1 failed" in index.words
    assert "broken.svs: this is not a slide" in index.words
    assert (tmp_path / "out/tiny/heatmap.png").exists()
    assert score(tiny, tmp_path / "other", slide=broken) == 2


def test_twins_are_refused_before_any_work(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    twin = shutil.copy(tiny.slide, tmp_path / "a")
    assert score(tiny, tmp_path / "out", str(twin)) == 2
    assert "--name-by parent" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    limits = ["--roi", str(_square(tmp_path, 512, 512, 600))]
    assert score(tiny, tmp_path / "out", str(twin), "--name-by", "parent", "-n", "1", *limits) == 0
    assert (tmp_path / "out" / "a_tiny" / "heatmap.png").exists()


def test_an_unreadable_tile_is_a_hole_in_every_output_and_an_exit_code(tiny: Tiny, tmp_path: Path) -> None:
    """One JPEG tile of the file is overwritten: the tiles on it are lost, no other score changes."""
    damaged = tmp_path / "tiny.tif"
    shutil.copy(tiny.slide, damaged)
    assert score(tiny, tmp_path / "quiet", "--adapt", "none") == 0  # else each score depends on the slide's others
    rows = table(tmp_path / "quiet/tiny")
    victim = rows[len(rows) // 2]
    with tifffile.TiffFile(damaged) as tiff:
        page = tiff.pages[0]
        across = -(-page.imagewidth // page.tilewidth)
        number = int(victim["y"]) // page.tilelength * across + int(victim["x"]) // page.tilewidth
        offset, length = page.dataoffsets[number], page.databytecounts[number]
    with damaged.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\0" * length)
    assert score(tiny, tmp_path / "out", "--adapt", "none", slide=damaged) == 1
    again = table(tmp_path / "out/tiny")
    lost = [row for row in again if row["state"] == "unreadable"]
    assert 1 <= len(lost) <= 16
    assert all(row["score"] == "" for row in lost)
    place = {(row["row"], row["column"]): row["score"] for row in rows}
    assert all(row["score"] == place[row["row"], row["column"]] for row in again if row["state"] == "scored")
    assert json.loads((tmp_path / "out/tiny/run.json").read_text())["counts"]["unreadable"] == len(lost)
    report = Page(tmp_path / "out/tiny/report.html")
    assert f"{len(lost)} tile" in report.words
    assert report.words.count("cannot be decoded") == len(lost)


def test_glass_alone_is_empty_and_no_failure(tiny: Tiny, tmp_path: Path) -> None:
    blank = tmp_path / "blank.tif"
    glass = np.full((1024, 1024, 3), 243, np.uint8)
    resolution = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(blank, glass, tile=(256, 256), photometric="rgb", compression="jpeg", **resolution)
    assert score(tiny, tmp_path / "out", slide=blank) == 0
    folder = tmp_path / "out/blank"
    assert json.loads((folder / "run.json").read_text())["state"] == "empty"
    assert json.loads((folder / "tiles.geojson").read_text())["features"] == []
    assert {path.name for path in folder.iterdir()} >= OUTPUTS
    assert "No tissue was found" in Page(folder / "report.html").words
    assert "1 slide: 1 no tissue" in Page(tmp_path / "out/index.html").words


def test_a_slide_that_cannot_be_decoded_is_a_failure_and_not_empty(tiny: Tiny, tmp_path: Path) -> None:
    ruined = tmp_path / "tiny.tif"
    shutil.copy(tiny.slide, ruined)
    with tifffile.TiffFile(ruined) as tiff:
        places = [place for page in tiff.pages for place in zip(page.dataoffsets, page.databytecounts, strict=True)]
    with ruined.open("r+b") as stream:
        for offset, length in places:
            stream.seek(offset)
            stream.write(b"\0" * length)
    assert score(tiny, tmp_path / "out", slide=ruined) == 2
    assert json.loads((tmp_path / "out/tiny/run.json").read_text())["state"] == "failed"


def test_a_record_of_tile_does_not_make_score_skip_its_exports(tiny: Tiny, scored: Path, tmp_path: Path) -> None:
    assert run(["tile", str(tiny.slide), "-o", str(tmp_path), "--tile-size", "64", "-q"]) == 0
    shutil.copytree(scored / "scores.zarr", tmp_path / "tiny/scores.zarr")
    assert score(tiny, tmp_path) == 0
    assert (tmp_path / "tiny/heatmap.png").exists()


def test_a_failed_rerun_leaves_a_finished_slides_record_alone(tiny: Tiny, scored: Path, tmp_path: Path) -> None:
    shutil.copytree(scored, tmp_path / "tiny")
    assert score(tiny, tmp_path, "--mpp", "0.3") == 2
    assert json.loads((tmp_path / "tiny/run.json").read_text())["state"] == "done"


def test_roi_limits_the_tiles_and_maps_are_kept(tiny: Tiny, scored: Path, tmp_path: Path) -> None:
    from wsi_haloae.stores.score_store import ScoreStore

    assert score(tiny, tmp_path, "--roi", str(tiny.truth), "--maps", "--keep-tiles") == 0
    store = ScoreStore.open(tmp_path / "tiny/scores.zarr")
    assert 0 < len(store) < len(ScoreStore.open(scored / "scores.zarr"))
    assert np.isfinite(store.anomaly_map(0)).all()
    assert (tmp_path / "tiny/tiles.zarr").is_dir()


def test_a_region_that_misses_the_slide_is_no_empty_slide(tiny: Tiny, tmp_path: Path) -> None:
    far = _square(tmp_path, 4000, 8000, 4000)  # drawn for a slide that is larger
    assert score(tiny, tmp_path / "out", "--roi", str(far)) == 2


def test_tiles_that_another_region_left_are_refused(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions = tmp_path / "regions"
    regions.mkdir()
    shutil.copy(tiny.truth, regions)
    assert score(tiny, tmp_path / "out", "--roi", str(regions), "--keep-tiles") == 0
    assert score(tiny, tmp_path / "out") == 2
    assert "roi" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out/tiny/scores.zarr")
    assert score(tiny, tmp_path / "out") == 2
    assert "chosen tiles" in capsys.readouterr().err


def test_missing_and_contradicting_pixel_sizes(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide = real_data("wsi/tcga-cr-7395-01a-01-ts1.svs")
    assert score(tiny, tmp_path / "a", slide=slide) == 2
    assert "--mpp" in capsys.readouterr().err
    assert score(tiny, tmp_path / "b", "--mpp", "0.3") == 2
    assert "--override-mpp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "mpp", "part"),
    [
        ("cmu-1-small-region.svs", None, None),
        ("tcga-cr-7395-01a-01-ts1.svs", "0.5", (3343, 1500, 1100)),
        ("hpylori_IHC_pathologyatlas.tiff", "0.5", (4000, 8000, 4000)),
        ("osp_boxes_dicom/osp_boxes_0.dcm", "0.5", None),
    ],
)
def test_real_slides_pass_the_checkers_of_qupath_and_ome(
    tiny: Tiny, tmp_path: Path, name: str, mpp: str | None, part: tuple[int, int, int] | None
) -> None:
    """Large ones in part: this is no benchmark."""
    slide, checker = real_data(f"wsi/{name}"), real_data("../tools/check_qupath_geojson.py")
    pixel_size = ["--override-mpp", mpp] if mpp else []
    limits = ["--roi", str(_square(tmp_path, *part))] if part else []
    assert score(tiny, tmp_path / "out", "--maps", *pixel_size, *limits, slide=slide) == 0
    folder = tmp_path / "out" / slide.stem
    opened = open_slide(slide)
    size = [str(opened.properties.width), str(opened.properties.height)]
    opened.close()
    for kind in ("tiles", "regions"):
        command = [sys.executable, str(checker), str(folder / f"{kind}.geojson"), "--allow-empty"]
        command += ["--width", size[0], "--height", size[1]]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout
    _assert_valid_ome(folder)
    if "osp_boxes" not in name:
        assert len(table(folder)) > 100
    Page(folder / "report.html").assert_self_contained()
    assert (folder / "report.html").stat().st_size < 6_000_000


def _assert_valid_ome(folder: Path) -> None:
    """By the schema's own readers; both files have the same cells at the same place."""
    zarr_files = sorted(folder.glob("*.ome.zarr"))
    assert [path.name for path in zarr_files] == ["heatmap.ome.zarr", "map.ome.zarr"]
    images = [OmeImage.from_zarr(zarr.open_group(path, mode="r")) for path in zarr_files]
    with tifffile.TiffFile(folder / "heatmap.ome.tif") as tiff:
        pixels = ome_types.from_xml(tiff.ome_metadata or "").images[0].pixels
    scale = images[0].ome_attributes.multiscales[0].datasets[0].coordinateTransformations[0].scale
    assert [pixels.physical_size_y, pixels.physical_size_x] == pytest.approx(scale)


def _square(folder: Path, left: int, top: int, side: int) -> Path:
    right, bottom = left + side, top + side
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
    path = folder / "roi.geojson"
    path.write_text(json.dumps(feature))
    return path
