"""The files of a study: rows that several runs write, notes of attempts, status, tables, montage and page."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.export.pages import Page
from wsi_haloae.cli.main import run
from wsi_haloae.cohort import montage
from wsi_haloae.cohort.attempts import MOST_DEATHS, NOTE_NAME, attempted, begun
from wsi_haloae.cohort.cluster import _no_word_of_semaphores
from wsi_haloae.cohort.compare import GroupValues
from wsi_haloae.cohort.compared_slides import _figure
from wsi_haloae.cohort.log import SlideProgress, slide_log
from wsi_haloae.cohort.montage import write_montage
from wsi_haloae.cohort.overview import write_cohort
from wsi_haloae.cohort.slides import StudySlide
from wsi_haloae.cohort.status import describe, gather
from wsi_haloae.cohort.table import NAME, CohortTable, read_cohort, state_of
from wsi_haloae.cohort.watch import Watch
from wsi_haloae.cohort.work import own_device
from wsi_haloae.errors import SetAsideError, StoreError
from wsi_haloae.evaluation.slide_judgement import _are
from wsi_haloae.export.slide_index import write_index
from wsi_haloae.heatmap.colours import COLOUR_TABLE
from wsi_haloae.pace import SlidesPace, rate_words
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.batch_result import BatchResult, ItemResult
from wsi_haloae.workspace.lock import HOLDER_NAME
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput


def inputs(*names: str) -> list[SlideInput]:
    return [SlideInput(Path(f"/slides/{name}.svs"), name, None, False, f"patient of {name}", "g") for name in names]


class TestAttempts:
    def test_a_slide_that_ends_leaves_no_note(self, tmp_path: Path) -> None:
        with attempted(tmp_path, "run") as number:
            assert number == 1
            assert begun(tmp_path, "run") == 1
        assert not (tmp_path / NOTE_NAME).exists()

    def test_a_slide_that_fails_leaves_none_either(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="gone"), attempted(tmp_path, "run"):
            raise OSError("gone")
        assert begun(tmp_path, "run") == 0

    def test_workers_that_vanish_are_counted_and_then_it_is_set_aside(self, tmp_path: Path) -> None:
        for number in range(MOST_DEATHS):
            vanishing = attempted(tmp_path, "run")
            assert vanishing.__enter__() == number + 1
            kept = (tmp_path / NOTE_NAME).read_text()
            vanishing.__exit__(None, None, None)
            (tmp_path / NOTE_NAME).write_text(kept)  # as a kill leaves it
        with pytest.raises(SetAsideError, match="set aside: 2 workers died"), attempted(tmp_path, "run"):
            raise AssertionError("begun all the same")

    @pytest.mark.parametrize("note", ["", "{", "[]", '{"run": "run"}', '{"run": "other", "begun": 2}'])
    def test_another_runs_note_or_a_damaged_one_does_not_count(self, note: str, tmp_path: Path) -> None:
        (tmp_path / NOTE_NAME).write_text(note)
        with attempted(tmp_path, "run") as number:
            assert number == 1


class TestTable:
    def test_runs_about_other_slides_keep_each_others_rows(self, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / name).mkdir()
        one, other = CohortTable(tmp_path, inputs("a", "b")), CohortTable(tmp_path, inputs("c"))
        one.update("a", state="done", tiles=7)
        other.update("c", state="failed", error='no, "really"\nnot')
        one.write()
        other.write()
        rows = read_cohort(tmp_path)
        assert list(rows) == ["a", "b", "c"]
        assert (rows["a"].state, rows["a"].tiles, rows["b"].state) == ("done", "7", "waiting")
        assert rows["c"].error == 'no, "really"\nnot'
        assert rows["a"].patient == "patient of a"

    def test_a_slide_whose_folder_was_removed_is_forgotten(self, output: Path) -> None:
        shutil.rmtree(output / "a")
        CohortTable(output, inputs("e"))
        assert list(read_cohort(output)) == ["b", "c", "d", "e"]

    def test_what_an_earlier_run_took_stays_until_it_is_known_anew(self, output: Path) -> None:
        table = CohortTable(output, inputs("b"))
        assert read_cohort(output)["b"].state == "waiting"
        table.update("b", state="done", seconds=None, tiles=10)
        table.write()
        assert read_cohort(output)["b"].seconds == "20"

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"path\nx\n", b'"', b"name\n\n", b"name,state\na\n,b\n"])
    def test_a_file_that_is_no_table_of_ours_does_no_harm(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / NAME).write_bytes(content)
        assert set(read_cohort(tmp_path)) <= {"a"}


class TestWatch:
    def test_parts_and_ends_add_up_to_the_slides(self, tmp_path: Path) -> None:
        told: list[tuple[float, str]] = []
        table = CohortTable(tmp_path, inputs("a", "b"))
        pace = SlidesPace(2, lambda pace: told.append((pace.work, pace.words)))
        watch = Watch(table, pace, reporter := Reporter(quiet=True))
        for event in (
            SlideProgress("a", "w", 1),
            SlideProgress("a", "w", 1, 10, 100, 10),
            SlideProgress("a", "v", 2),
            SlideProgress("a", "v", 2, 50, 100, 40),
        ):
            watch.hear((0.0, event.__dict__))
        assert 0 < told[-1][0] < 0.5
        watch.end("a", state="done", seconds=9.0)
        watch.hear((0.0, SlideProgress("a", "v", 2, 99, 100, 9).__dict__))  # late
        assert told[-1][0] == pytest.approx(1)
        assert told[-1][1].startswith("1/2 slides, ")
        assert table.state("a") == "done"
        assert any("its worker died" in warning for warning in reporter.warnings)


class TestPace:
    def slides(self, total: int = 3) -> SlidesPace:
        pace = SlidesPace(total, lambda _pace: None)
        pace._start -= 100  # seconds ago
        return pace

    def test_no_time_left_is_told_before_enough_is_known(self) -> None:
        pace = self.slides()
        pace.reach("a", 0.1, 20)
        assert pace.words == "0/3 slides, 0.2 tiles/s"
        pace.reach("a", 0.5, 80)
        assert pace.words == "0/3 slides, 1.0 tiles/s, 8:20 left"

    def test_slides_that_nearly_ended_have_not(self) -> None:
        pace = self.slides(2)
        for name in "ab":
            pace.reach(name, 0.9, 100)
        assert pace.words.startswith("0/2 slides")

    def test_a_failed_slide_measures_nothing_and_is_not_to_come(self) -> None:
        pace = self.slides()
        pace.reach("broken", 0.2, 20)
        pace.end("broken", measured=False)
        assert pace.words == "1/3 slides, 0.2 tiles/s"
        pace.end("a", measured=True)
        assert pace.words == "2/3 slides, 0.2 tiles/s, 1:40 left"
        pace.end("b", measured=True)
        assert pace.words == "3/3 slides, 0.2 tiles/s"

    def test_what_an_earlier_run_scored_is_not_taken_for_speed(self) -> None:
        pace = self.slides(1)
        pace.reach("a", 0.75, 10, before=0.5)
        assert pace.words.endswith("1:40 left"), "a quarter took 100 s, and a quarter is to come"

    def test_a_rate_too_high_to_mean_anything_is_left_out(self) -> None:
        assert rate_words(14_870_105.5, 1, "tiles") == ""
        assert (rate_words(5, 10, "tiles"), rate_words(1, 50, "tiles")) == ("0.5 tiles/s", "50 s per tile")
        assert (rate_words(1, 50, "passes"), rate_words(1, 50, "rows of tiles")) == (
            "50 s per pass",
            "50 s per row of tiles",
        )


LEAVES_A_SEMAPHORE = """
import multiprocessing, os, signal
kept = multiprocessing.get_context("spawn").Semaphore()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_nobody_is_told_of_semaphores() -> None:
    """Python's resource tracker outlives the process that Ctrl-C ends, and removes what it left."""
    with _no_word_of_semaphores():
        ended = subprocess.run([sys.executable, "-c", LEAVES_A_SEMAPHORE], check=False, capture_output=True, text=True)
    assert ended.returncode
    assert ended.stderr == ""


def test_one_is_not_several() -> None:
    assert (_are(1, "slide"), _are(2, "patient")) == ("1 slide is", "2 patients are")


def test_a_log_has_the_time_on_every_line_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    with slide_log(tmp_path / "a", lambda *progress: told.append(progress)) as log:
        log.line("one\ntwo")
        log.warn("three")
        with log.track("Scoring a.svs", 100, "tiles", done=40) as advance:
            for _ in range(6):
                advance(10)
        with log.track("Tissue", 10, "rows") as advance:
            advance(10)
    lines = (tmp_path / "a/score.log").read_text().splitlines()
    assert all(line[:2] == "20" and line[10] == " " for line in lines)
    assert [line[21:] for line in lines[:3]] == ["one", "    two", "warning: three"]
    assert told == [(100, 100, 60)]


def test_each_local_worker_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert [own_device("auto", name) for name in range(6)] == [f"cuda:{k % 4}" for k in range(6)]
    assert own_device("cuda:2", 1) == "cuda:2"
    assert own_device("cpu", 1) == "cpu"
    assert own_device("cuda", "tcp://node:1") == "cuda", "a scheduler's worker sees what it was given"


def scored(output: Path, name: str, *, share: float, model: str = "m", score: float = 1.0, **changes: object) -> None:
    folder = output / name
    folder.mkdir(parents=True)
    summary = {
        "tissue_mm2": 2.0, "anomalous_mm2": 2 * share, "anomalous_share": share, "p_below": share,
        "above_display": share / 2, "median_score": score, "p95_score": score + 1,
    }  # fmt: skip
    record = {
        "command": "score", "state": "done", "counts": {"tiles": 10, "scored": 10, "unreadable": 0, "anomalous": 3},
        "anomalous": {"phrase": "false-discovery rate of 10 %"}, "summary": summary,
        "model": {"sha256": model, "display_range": [0, 2]}, **changes,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    Image.new("RGB", (200, 120), (0, 128, 255)).save(folder / "heatmap.small.jpg")
    (folder / "report.html").touch()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    table = CohortTable(tmp_path, inputs("a", "b", "c", "d"))
    for name, share in (("a", 0.1), ("b", 0.5), ("c", 0.4)):
        scored(tmp_path, name, share=share)
        table.update(name, state="done", tiles=10, seconds=20)
    (tmp_path / "d").mkdir()
    table.update("d", state="failed", error="d.svs: damaged\nlong story")
    table.write()
    return tmp_path


class TestStatus:
    def test_what_became_of_each(self, output: Path) -> None:
        assert describe(output) == [
            f"{output}: 4 slides: 3 done, 1 failed",
            "failed: d: d.svs: damaged",
        ]

    def test_one_that_runs_and_one_that_is_silent(self, output: Path) -> None:
        table = CohortTable(output, inputs("e", "f"))
        table.update("e", state="running", worker="tcp://node:1")
        table.write()
        (output / "e").mkdir()
        (output / "e" / HOLDER_NAME).write_text("process 1 on a node of the cluster")
        log = output / "e/score.log"
        log.touch()
        lines = describe(output)
        assert lines[0].endswith("6 slides: 3 done, 1 running, 1 waiting, 1 failed")
        assert lines[1] == "running: e: looking for tissue, on tcp://node:1"
        assert lines[2] == "about 0:00:40 left, estimated from the finished slides"
        os.utime(log, (1e9, 1e9))
        assert "no activity for" in describe(output)[1]

    def test_a_run_that_was_stopped_or_killed_does_not_run(self, output: Path) -> None:
        table = CohortTable(output, inputs("e", "f"))
        table.update("e", state="running", worker="tcp://node:1")
        table.write()
        (output / "e").mkdir()
        (output / "e" / HOLDER_NAME).write_text(f"process 999999999 on {platform.node()}")  # as a kill leaves it
        assert describe(output)[0].endswith("6 slides: 3 done, 1 waiting, 1 unfinished, 1 failed")
        table.close()
        assert describe(output) == [
            f"{output}: 6 slides: 3 done, 2 unfinished, 1 failed",
            "unfinished: e: no tile scored",
            "unfinished: f: no tile scored",
            "failed: d: d.svs: damaged",
        ]

    def test_failed_slides_are_no_estimate(self, tmp_path: Path) -> None:
        table = CohortTable(tmp_path, inputs("a", "b"))
        table.update("a", state="failed", error="damaged", seconds=3)
        table.update("b", state="running")
        table.write()
        for name in "ab":
            (tmp_path / name).mkdir()
        (tmp_path / "b" / HOLDER_NAME).write_text(f"process {os.getpid()} on {platform.node()}")
        assert describe(tmp_path)[0].endswith("1 running, 1 failed")
        assert not any("left" in line for line in describe(tmp_path))

    def test_a_slide_whose_results_were_refused_keeps_its_state(self, output: Path) -> None:
        result = ItemResult("a", "failed", "made with another --stride", refused=True)
        assert state_of(result, RunRecord.read(output / "a")) == "done"
        assert state_of(result, None) == "unfinished"
        said = BatchResult([result, ItemResult("b", "failed", "damaged")])
        told = io.StringIO()
        said.say(Reporter(console=Console(file=told, width=200)))
        assert "refused, and left as before: a; failed: b" in told.getvalue()
        assert said.exit_code == 2

    def test_slides_scored_one_by_one_are_told_by_their_folders(self, tmp_path: Path) -> None:
        scored(tmp_path, "a", share=0.1)
        scored(tmp_path, "b", share=0.1, counts={"tiles": 10, "scored": 9, "unreadable": 1})
        scored(tmp_path, "c", share=0.1, state="failed", error="c: gone")
        assert [(row.name, row.state, row.error) for row in gather(tmp_path)] == [
            ("a", "done", ""),
            ("b", "incomplete", ""),
            ("c", "failed", "c: gone"),
        ]

    def test_what_other_commands_left_beside_is_no_slide(self, tmp_path: Path) -> None:
        scored(tmp_path, "a", share=0.1)
        for name, command in (("model.training", "train-tiles"), ("b", "tile")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "run.json").write_text(json.dumps({"state": "done", "command": command}))
        assert [row.name for row in gather(tmp_path)] == ["a"]
        write_cohort(tmp_path, Reporter(quiet=True))
        assert not (tmp_path / "cohort.html").exists()
        write_index(tmp_path)
        assert "model.training" not in (tmp_path / "index.html").read_text()

    def test_a_slide_that_is_only_tiled_is_not_scored(self, output: Path) -> None:
        record = json.loads((output / "a/run.json").read_text())
        (output / "a/run.json").write_text(json.dumps({**record, "command": "tile"}))
        assert {row.name: row.state for row in gather(output)}["a"] == "unfinished"

    def test_a_folder_without_slides_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["status", str(tmp_path)]) == 2
        assert "no slides here" in capsys.readouterr().err

    def test_patients_that_are_not_known_are_not_one(self, output: Path) -> None:
        text, replaced = re.subn(",patient of .,", ",NA,", (output / "cohort.csv").read_text())
        assert replaced == 4
        (output / "cohort.csv").write_text(text)
        assert {row.patient for row in gather(output)} == {""}
        write_cohort(output, Reporter(quiet=True))
        told = json.loads((output / "comparison.json").read_text())
        assert told["groups"][0]["patients"] == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("column", "cell"),
        [
            ("seconds", "4.6x"),
            ("seconds", "nan"),
            ("seconds", "-1"),
            ("state", "gone"),
            ("tiles", "1e9"),
            ("attempts", "?"),
        ],
    )
    def test_a_cell_that_nobody_wrote_is_named(
        self, column: str, cell: str, output: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = output / "cohort.csv"
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        rows[1][column] = cell
        with path.open("w", newline="") as stream:
            table = csv.DictWriter(stream, rows[0].keys())
            table.writeheader()
            table.writerows(rows)
        before = path.read_bytes()
        assert run(["status", str(output)]) == 2
        assert f"slide 'b' has {column} {cell!r}" in " ".join(capsys.readouterr().err.split())
        with pytest.raises(StoreError, match="delete the file"):
            CohortTable(output, inputs("e"))
        assert path.read_bytes() == before, "the rows of others are not lost"


class TestOverview:
    def test_table_page_and_montage(self, output: Path) -> None:
        write_cohort(output, Reporter(quiet=True))
        rows = list(csv.DictReader(io.StringIO((output / "slides.csv").read_text())))
        assert [(row["name"], row["group"], row["p_below"], row["state"]) for row in rows] == [
            ("a", "g", "0.1", "done"),
            ("b", "g", "0.5", "done"),
            ("c", "g", "0.4", "done"),
            ("d", "g", "", "failed"),
        ]
        write_index(output)
        page = Page(output / "cohort.html")
        page.assert_self_contained()
        assert "4 slides." in page.words
        assert "A dark line encloses what is called anomalous; an island inside it is not called." in page.words
        assert "g 3 33 %" in page.words
        told = json.loads((output / "comparison.json").read_text())
        assert told["measure"] == "p_below"
        assert told["groups"][0]["values"] == [0.1, 0.5, 0.4]
        assert "side by side" in Page(output / "index.html").words

    def test_the_same_records_give_the_same_bytes(self, output: Path) -> None:
        names = ("slides.csv", "cohort.html", "montage.png", "comparison.json", "comparison.png")
        kept = []
        for _ in range(2):
            write_cohort(output, Reporter(quiet=True))
            kept.append([(output / name).read_bytes() for name in names])
        assert kept[0] == kept[1]

    def test_slides_of_another_model_are_not_compared(self, output: Path) -> None:
        scored(output, "e", share=0.9, model="other")
        table = CohortTable(output, inputs("e"))
        table.update("e", state="done")
        table.write()
        write_cohort(output, reporter := Reporter(quiet=True))
        assert any("2 models" in warning for warning in reporter.warnings)
        told = json.loads((output / "comparison.json").read_text())
        assert len(told["groups"][0]["patients"]) == 3

    def test_slides_at_another_stride_are_not_compared(self, output: Path) -> None:
        scored(output, "e", share=0.9, grid={"stride": 48})
        scored(output, "f", share=0.3, grid={"stride": 64})
        scored(output, "g", share=0.2, grid={"stride": 64})
        table = CohortTable(output, inputs("e", "f", "g"))  # the others are from before it was kept
        table.write()
        write_cohort(output, reporter := Reporter(quiet=True))
        assert any("2 strides" in warning and "models" not in warning for warning in reporter.warnings)
        told = json.loads((output / "comparison.json").read_text())
        assert told["groups"][0]["values"] == [0.1, 0.5, 0.4, 0.3, 0.2]
        assert "with another model or stride: d, e." in Page(output / "cohort.html").words

    def test_slides_that_training_used_are_marked(self, output: Path) -> None:
        scored(output, "e", share=0.1, trained_on={"slide": {"train": 7}, "patient": ["train"]})
        scored(output, "f", share=0.1, trained_on={"slide": {}, "patient": []})
        CohortTable(output, inputs("e", "f"))
        write_cohort(output, Reporter(quiet=True))
        rows = csv.DictReader(io.StringIO((output / "slides.csv").read_text()))
        told = {row["name"]: (row["slide_used_in"], row["patient_used_in"]) for row in rows}
        assert told == {
            "a": ("", ""),
            "b": ("", ""),
            "c": ("", ""),
            "d": ("", ""),
            "e": ("train", "train"),
            "f": ("no", "no"),
        }
        words = Page(output / "cohort.html").words
        assert "Training used these slides, or others of their patients" in words
        assert "not those of new slides: e." in words

    def test_without_calibration_the_colour_bars_end_is_asked_for(self, output: Path) -> None:
        summary = {"tissue_mm2": 1.0, "above_display": 0.25, "median_score": 0.0, "p95_score": 1.0}
        scored(output, "e", share=0.0, summary=summary)
        CohortTable(output, inputs("e"))
        write_cohort(output, Reporter(quiet=True))
        assert json.loads((output / "comparison.json").read_text())["measure"] == "above_display"

    def test_where_none_can_be_called_no_page_has_a_share_of_0(self, tmp_path: Path) -> None:
        """And groups are compared by what p-values have no part in."""
        reason = "None can be called: the smallest possible p-value is 0.0503."
        CohortTable(tmp_path, inputs("a", "b", "c"))
        for name, share in (("a", 0.9), ("b", 0.8), ("c", 0.7)):
            summary = {
                "tissue_mm2": 2.0,
                "above_display": share,
                "median_score": 1.0,
                "p95_score": 2.0,
                "p_below": None,
            }
            counts = {"tiles": 10, "scored": 10, "unreadable": 0, "anomalous": None}
            told = {"summary": {**summary, "why_none": reason}, "counts": counts, "anomalous": None}
            scored(tmp_path, name, share=share, **told)
        write_cohort(tmp_path, Reporter(quiet=True))
        write_index(tmp_path)
        page = Page(tmp_path / "cohort.html")
        assert reason in page.words
        assert "share of tissue above the colour bar" in page.words
        assert "90 %" in page.words
        assert not re.search(r"\b0(\.0)? %", page.words)
        row = next(csv.DictReader(io.StringIO((tmp_path / "slides.csv").read_text())))
        empty = ("anomalous", "anomalous_mm2", "anomalous_share", "p_below", "criterion")
        assert [row[name] for name in empty] == [""] * len(empty)
        assert row["why_none"] == reason
        comparison = json.loads((tmp_path / "comparison.json").read_text())
        assert (comparison["measure"], comparison["why_none"]) == ("above_display", reason)
        assert describe(tmp_path)[1] == f"{reason} This applies to 3 of 3 slides."

    def test_the_highest_value_has_room_above_it(self) -> None:
        groups = [
            GroupValues("a", ["p", "q"], np.array([0.7, 0.9]), 0.8, None),
            GroupValues("b", ["r"], np.zeros(1), 0.0, None),
        ]
        for some, top in ((groups, 0.9), (groups[1:], 0)):
            low, high = _figure("above_display", some).axes[0].get_ylim()
            assert low == 0
            assert high > 1.05 * top

    def test_one_slide_is_no_study(self, tmp_path: Path) -> None:
        scored(tmp_path, "a", share=0.1)
        write_cohort(tmp_path, Reporter(quiet=True))
        assert not (tmp_path / "cohort.html").exists()


class TestMontage:
    def test_every_picture_stands_once_in_its_group(self, tmp_path: Path) -> None:
        slides = []
        for number in range(7):
            name = f"s{number}"
            (tmp_path / name).mkdir()
            Image.new("RGB", (200, 150), (30 * number, 255, 0)).save(tmp_path / name / "heatmap.small.jpg", quality=100)
            slides.append(StudySlide(name, "", "xy"[number % 2], "done", median_score=-number))
        write_montage(tmp_path / montage.NAME, tmp_path, slides, (0.0, 2.0))
        with Image.open(tmp_path / montage.NAME) as sheet:
            pixels = np.asarray(sheet).astype(int)
        assert (pixels[montage.MARGIN, montage.MARGIN : montage.MARGIN + 256] == COLOUR_TABLE).all()
        centres = {}
        for number in range(7):
            alike = np.abs(pixels - (30 * number, 255, 0)).max(axis=2) < 8
            assert alike.sum() >= 0.9 * 200 * 150
            centres[number] = np.argwhere(alike).mean(axis=0).round(-1).tolist()
        assert [k for k, _ in sorted(centres.items(), key=lambda item: item[1])] == [6, 4, 2, 0, 5, 3, 1], (
            "group x before y, and within a group by rising score"
        )

    def test_a_note_stands_above_the_pictures(self, tmp_path: Path) -> None:
        slides, sheets = [StudySlide(f"s{number}", "", "", "done") for number in range(3)], []
        for notes in ((), ("Nothing can be called, and this is a sentence that is too long for a single line. " * 3,)):
            write_montage(tmp_path / montage.NAME, tmp_path, slides, (0.0, 2.0), notes)
            with Image.open(tmp_path / montage.NAME) as sheet:
                sheets.append(np.asarray(sheet).astype(int))
        plain, noted = sheets
        added = len(noted) - len(plain)
        assert added > montage.NOTE_HEIGHT, "several lines"
        top = montage.MARGIN + montage.BAR_HEIGHT
        assert (noted[top + added :] == plain[top:]).all(), "pictures are as they were, further down"
        note = noted[top - montage.NOTE_HEIGHT // 2 : top + added]
        assert (note < 128).any()
        assert (note[:, -montage.MARGIN :] == 255).all()

    def test_thousands_of_slides_fit_on_a_sheet(self, tmp_path: Path) -> None:
        slides = [StudySlide(f"s{number}", "", "", "done") for number in range(3000)]
        write_montage(tmp_path / montage.NAME, tmp_path, slides, None)
        with Image.open(tmp_path / montage.NAME) as sheet:
            assert sheet.width * sheet.height < 2 * montage.SHEET_PIXELS
