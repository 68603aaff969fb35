"""An export is one set of files: a kill leaves the old set, or a note by which the next command writes the new one."""

from __future__ import annotations

import json
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.forked import COMMAND, start
from benchmarks.killing import kill_at_rename
from tests.integration.conftest import Tiny
from tests.integration.test_evaluate import outline
from tests.integration.test_evaluate import scored as judged
from tests.integration.test_export import outputs
from tests.integration.test_score import digests, score
from tests.viewer.scored import score_slide, write_slide
from wsi_haloae.cli.main import run
from wsi_haloae.cohort.status import describe
from wsi_haloae.export.begun import BEGUN_NAME, BegunExport
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import ScoredFolder
from wsi_haloae.viewer.facts import slide_facts
from wsi_haloae.viewer.opened import OpenedSlide

ASKED = ["--threshold", "1.5", "--adapt", "none", "--format", "csv", "--format", "regions", "--format", "report"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One slide, adapted and exported as usual."""
    folder = tmp_path_factory.mktemp("set")
    score_slide(folder / "out", write_slide(folder / "slide.tif"), described=True)
    assert run(["export", str(folder / "out"), "--adapt", "slide", "-q"]) == 0
    return folder / "out"


def killed(out: Path, number: int, *command: str | Path) -> bool:
    """Whether the command was killed before its ``number``-th rename; otherwise it came to its end."""
    process = start(COMMAND, *command, said=out.with_suffix(".txt"), before=[partial(kill_at_rename, number)])
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, out.with_suffix(".txt").read_text()
    return process.exitcode != 0


def record(folder: Path) -> dict[str, Any]:
    """The run record without times and the arguments of the last export."""
    document: dict[str, Any] = json.loads((folder / "run.json").read_text())
    export = document.pop("export")
    return document | {"anomalous now": export["anomalous"]}


def test_an_export_killed_at_any_rename_is_the_old_set_or_is_finished(out: Path, tmp_path: Path) -> None:
    before, quiet = outputs(out), shutil.copytree(out, tmp_path / "quiet")
    assert run(["export", str(quiet), *ASKED, "-q"]) == 0
    kills = unchanged = 0
    for number in (1, 2, 10, 12, 14, 17):
        copy = shutil.copytree(out, tmp_path / f"killed{number}")
        if not killed(copy, number, "export", copy, *ASKED, "-q"):
            break
        kills += 1
        if not (copy / "slide" / BEGUN_NAME).exists():
            assert run(["export", str(copy), "--format", "overlay", "-q"]) == 0
            unchanged += 1
            assert outputs(copy) == before
            continue
        assert any("may be of two exports" in line for line in describe(copy))
        opened = OpenedSlide(ScoredFolder("slide", copy / "slide", copy), None)
        assert "may be of two exports" in slide_facts(opened)["message"]
        opened.picture.close()
        assert run(["export", str(copy), *ASKED[:2], "--format", "csv", "-q"]) == 0
        assert outputs(copy) == outputs(quiet)
        assert record(copy / "slide") == record(quiet / "slide")
        assert not any("two exports" in line for line in describe(copy))
    assert kills >= 5
    assert 1 <= unchanged < kills


def test_score_finishes_an_interrupted_export(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, quiet = tmp_path / "out", tmp_path / "quiet"
    assert score(tiny, out) == 0
    shutil.copytree(out, quiet)
    assert run(["export", str(quiet), *ASKED, "-q"]) == 0
    assert killed(out, 5, "export", out, *ASKED, "-q")
    assert (out / "tiny" / BEGUN_NAME).exists()
    capsys.readouterr()
    assert run(["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(out)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "an export had begun here and not ended; its files are written again" in told
    assert "nothing to do" in told
    assert digests(out / "tiny") == digests(quiet / "tiny")
    assert record(out / "tiny") == record(quiet / "tiny")


def test_scores_whose_adaptation_was_interrupted_are_adapted_again(out: Path, tmp_path: Path) -> None:
    """As saving marks in the viewer does, without any file."""
    copy = shutil.copytree(out, tmp_path / "out")
    store, plain = ScoreStore.open(copy / "slide/scores.zarr"), outputs(copy)
    adapted = store.adaptation("slide")
    BegunExport(adapt="slide").note(copy / "slide")
    store.forget_adaptation()  # the moment between removal and rename
    assert run(["export", str(copy), "--format", "csv", "-q"]) == 0
    assert ScoreStore.open(copy / "slide/scores.zarr").adapted.record == adapted.record
    assert outputs(copy) == plain


def test_a_note_that_cannot_be_read_is_one_of_the_usual_files(out: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(out, tmp_path / "out")
    whole = outputs(copy)
    (copy / "slide/tiles.csv").write_text("half of a table")
    (copy / "slide" / BEGUN_NAME).write_text("{")
    assert run(["export", str(copy), "--format", "overlay", "-q"]) == 0
    assert outputs(copy) == whole


def test_what_cannot_be_exported_leaves_no_note(out: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(out, tmp_path / "out")
    assert run(["export", str(copy), "--adapt", "none", "--fdr", "0.00001", "-q"]) == 2
    assert outputs(copy) == outputs(out)


def test_status_after_a_killed_overwrite(tiny: Tiny, tmp_path: Path) -> None:
    out, command = tmp_path / "out", ["score", tiny.slide, "--model", tiny.model, "-q", "--overwrite", "-o"]
    assert score(tiny, out) == 0
    whole = digests(out / "tiny")
    assert run(["export", str(out), "--format", "tiles", "--gz", "-q"]) == 0  # a file that `score` does not write
    assert describe(out)[0].endswith("1 slide: 1 done")
    for number in (4, 5, 7, 30):
        assert killed(out, number, *command, out)
        assert "1 unfinished" in describe(out)[0]
    assert score(tiny, out) == 0
    assert describe(out)[0].endswith("1 slide: 1 done")
    assert digests(out / "tiny") == whole


def test_four_evaluations_at_once_take_turns(tmp_path: Path) -> None:
    judged(tmp_path / "out/a")
    command = ["evaluate", tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"), "--reference", "Tumor"]
    processes = [start(COMMAND, *command, "-q", said=tmp_path / f"{number}.txt") for number in range(4)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert json.loads((tmp_path / "out/evaluation/evaluation.json").read_text())["slides"] == ["a"]
