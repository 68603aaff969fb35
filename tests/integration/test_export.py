"""``export`` as a user runs it: the same bytes, other settings, slides that fail."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from tests.data_paths import REPOSITORY
from tests.export.pages import Page
from tests.export.stores import Scene, make_index, make_store
from tests.integration.conftest import Tiny
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.cli.main import run
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.viewer.rasters import Rasters, TileMark
from wsi_haloae.workspace.lock import locked

FACTS = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)
ALONE = """
import json, sys
from wsi_haloae.cli.main import run
code, slow = run(sys.argv[1:]), {"torch", "matplotlib", "scipy.ndimage", "scipy.stats", "skimage"}
print(json.dumps([code, sorted(slow & set(sys.modules))]))
"""


def scored(folder: Path, *, calibration: CalibrationFacts | None = FACTS, state: int = TileState.DONE) -> Path:
    """A slide with two regions: 6 tiles at the upper left and 1 at the lower right score 5, the others 1."""
    scene = Scene(calibration=calibration, name=f"{folder.name}.svs")
    index = make_index(scene)
    high = (index.row < 2) & (index.column < 3) | (index.row == 9) & (index.column == 12)
    states = np.full(len(index), TileState.DONE, np.uint8)
    states[-1] = state
    folder.mkdir(parents=True)
    make_store(
        folder / "scores.zarr", scene, state=states,
        score=np.where(high, 5, 1).astype(np.float32), p_value=np.where(high, 0.025, 0.6).astype(np.float32),
    )  # fmt: skip
    return folder


def damage(folder: Path) -> None:
    for chunk in (folder / "scores.zarr" / "score" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"no chunk")


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "tiles.csv").read_text(encoding="utf-8").splitlines()))


def regions(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "regions.geojson").read_text(encoding="utf-8"))["features"]
    return found


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file but records of runs, by its place."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"run.json", "cohort.csv"}
    }


def test_export_without_torch_gives_the_bytes_that_score_wrote(tiny: Tiny, tmp_path: Path) -> None:
    assert run(["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(tmp_path), "--maps", "-q"]) == 0
    folder = tmp_path / tiny.slide.stem
    before, record = outputs(tmp_path), json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for name in before:
        if "scores.zarr" not in name and not name.endswith(".lock"):
            (tmp_path / name).unlink()
    command = [sys.executable, "-c", ALONE, "export", str(tmp_path), "-q"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    code, slow = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert "torch" not in slow
    assert outputs(tmp_path) == before
    after = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    export, called = after.pop("export"), after.pop("called")
    assert called["criterion"] == {"threshold": None, "fdr": None}
    assert after == record  # times of the scoring, and all else
    assert export["anomalous"] == record["anomalous"]


def test_a_table_is_written_without_loading_what_draws(tmp_path: Path) -> None:
    """Most of the time of such a command was the imports of what it does not need. Regions need scipy.ndimage."""
    for threshold, needed in (("100", []), ("4.5", ["scipy.ndimage"])):
        command = [sys.executable, "-c", ALONE, "export", str(scored(tmp_path / threshold)), "--format", "csv", "-q"]
        command += ["--threshold", threshold]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
        assert json.loads(done.stdout) == [0, needed], done.stderr


def test_files_agree_about_the_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scored(tmp_path / "a")
    assert run(["export", str(tmp_path), "--threshold", "4.5"]) == 0
    assert "7 of them in 2 regions: score above 4.5" in capsys.readouterr().err
    rows = table(folder)
    assert [row["anomalous"] for row in rows].count("yes") == 7
    assert {row["criterion"] for row in rows} == {"score above 4.5"}
    assert parquet.read_table(folder / "tiles.parquet")["anomalous"].to_pylist().count(True) == 7
    assert [one["properties"]["measurements"]["Tiles in region"] for one in regions(folder)] == [6, 1]
    assert regions(folder)[0]["properties"]["metadata"]["Criterion"] == "score above 4.5"
    by_threshold = (folder / "heatmap.png").read_bytes()
    assert run(["export", str(tmp_path), "-q"]) == 0
    assert {row["criterion"] for row in table(folder)} == {"per-tile error rate 0.05"}
    assert (folder / "heatmap.png").read_bytes() != by_threshold  # its caption says how many were called, and how


def test_a_part_of_the_files_leaves_what_the_report_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Index, study and viewer follow the report, whatever else is written after it."""
    folder = scored(tmp_path / "a")
    counts = {"tiles": 60, "scored": 60}
    (folder / "run.json").write_text(json.dumps({"command": "score", "state": "done", "counts": counts}))
    assert run(["export", str(tmp_path), "--threshold", "4.5", "-q"]) == 0
    assert run(["export", str(tmp_path), "--format", "tiles", "--gz"]) == 0
    said = capsys.readouterr().err
    assert "only tiles written; all other files are as they were" in said
    assert "tiles.geojson: gone, and report.html still links to it" in said
    assert " region" not in said, "no file that was written says which tiles are called"
    assert "score above 4.5" in Page(tmp_path / "index.html").words
    record = json.loads((folder / "run.json").read_text())
    assert Criterion.recorded(record["called"]["criterion"]) == Criterion(4.5)
    store = ScoreStore.open(folder / "scores.zarr")
    marks = Rasters(store, Criterion.recorded(record["called"]["criterion"])).marks
    assert ((marks & TileMark.ANOMALOUS) > 0).sum() == 7


@pytest.mark.parametrize("told", [None, 3, {}, {"threshold": "x", "fdr": 0.1}, {"threshold": None, "fdr": 7.0}])
def test_a_damaged_record_leaves_the_usual_criterion(told: object) -> None:
    assert Criterion.recorded(told) == Criterion()


def calibrated(effective_tiles: float) -> CalibrationFacts:
    return FACTS.model_copy(update={"effective_tiles": effective_tiles})


@pytest.mark.parametrize(
    ("effective_tiles", "rate", "told"),
    [
        (
            18.88,
            "0.05",
            ["p-value is 0.0503,", "no tile could be called", "No rate up to 50 % avoids that. Pass"],
        ),
        (
            39.0,
            "0.1",
            ["is 0.025,", "no fewer than 25 % of", "accepted): smaller lesions would be missed", "Leave out --fdr to"],
        ),
        (150.0, "0.2", ["no fewer than 3.3 % of", "No rate up to 50 % avoids that. Leave out --fdr to"]),
        (
            499.0,
            "0.1",
            [
                "p-value is 0.002,",
                "no fewer than 2 % of",
                "The smallest rate that can be kept is 20 % (--fdr 0.2). Leave",
            ],
        ),
        (249.0, "0.39", ["no fewer than 1.03 % of", "(up to 1 % is accepted)", "can be kept is 40 % (--fdr 0.4)."]),
    ],
)
def test_a_rate_that_cannot_be_kept_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], effective_tiles: float, rate: str, told: list[str]
) -> None:
    """No other criterion stands in for one that was asked for, be it the usual rate, and on no slide of several."""
    scored(tmp_path / "a", calibration=calibrated(5000))
    scored(tmp_path / "b", calibration=calibrated(effective_tiles))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(["export", str(tmp_path), "--fdr", rate]) == 2
    said = capsys.readouterr().err.replace("\N{NO-BREAK SPACE}", " ")
    assert f"--fdr {rate} was given" in said
    for words in told:
        assert words in said
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    named = re.search(r"can be kept is \d+ % \(--fdr ([\d.]+)\)\.", said)
    if named:
        assert run(["export", str(tmp_path), "--fdr", named[1], "-q"]) == 0
        assert {row["criterion"] for row in table(tmp_path / "b")} == {f"false-discovery rate {named[1]}"}


def test_without_a_wish_the_per_tile_rate_stands_in_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = scored(tmp_path / "a")
    assert run(["export", str(tmp_path), "--format", "regions"]) == 0
    assert "per-tile error rate 0.05 (no false-discovery rate: " in capsys.readouterr().err
    assert len(regions(folder)) == 2


def test_without_calibration_there_are_no_regions_and_it_is_said_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = scored(tmp_path / "a", calibration=None)
    assert run(["export", str(folder), "--format", "regions"]) == 0
    assert "No tile can be called anomalous at an error rate of 5" in capsys.readouterr().err
    assert regions(folder) == []
    assert run(["export", str(folder), "--fdr", "0.2"]) == 2
    assert "--threshold" in capsys.readouterr().err


def test_only_the_formats_that_were_named(tmp_path: Path) -> None:
    folder = scored(tmp_path / "a")
    options = ["--format", "tiles", "--format", "anndata", "--gz", "--merge", "--min-score", "2"]
    assert run(["export", str(folder), *options, "-q"]) == 0
    assert {path.name for path in folder.iterdir()} == {"scores.zarr", "tiles.geojson.gz", "tiles.h5ad", ".lock"}
    assert list(tmp_path.iterdir()) == [folder]  # the project's scripts lie beside slides, not beside their files


def test_a_damaged_store_is_told_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        scored(tmp_path / name)
    damage(tmp_path / "b")
    assert run(["export", str(tmp_path), "--format", "csv"]) == 1
    told = capsys.readouterr().err
    assert "damaged" in told
    assert "2 slides done; failed: b" in told
    assert len(table(tmp_path / "c")) == 192
    assert (tmp_path / "import_project.groovy").exists()
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "c")
    assert run(["export", str(tmp_path), "--format", "csv", "-q"]) == 2


def test_scoring_that_has_not_come_to_its_end_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "a", state=TileState.PENDING)
    assert run(["export", str(tmp_path)]) == 2
    assert "64 of 192 tiles are not scored yet" in capsys.readouterr().err
    assert not (tmp_path / "a" / "tiles.csv").exists()


def test_a_folder_that_another_run_writes_to_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scored(tmp_path / "a")
    with locked(folder):
        assert run(["export", str(tmp_path), "-q"]) == 2
    assert "another run is writing here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "xlsx"], "Choose from: heatmap, preview, "),
        (["--threshold", "1", "--fdr", "0.1"], "only one can decide"),
        (["--threshold", "nan"], "not a score"),
        (["--fdr", "0"], "0<x<1"),
    ],
)
def test_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    scored(tmp_path / "a")
    assert run(["export", str(tmp_path), *options]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_without_scores_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(tmp_path)]) == 2
    assert "no scored slide" in capsys.readouterr().err
