"""run.json: read as it was written, kept where it is extended, None where it cannot be trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wsi_haloae.errors import SlideError
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.batch_result import attempt_slide
from wsi_haloae.workspace.record import FORMAT, RECORD_NAME, Called, RunRecord, SlideSummary, is_finished
from wsi_haloae.workspace.recorder import RunRecorder
from wsi_haloae.workspace.slide_inputs import SlideInput


def recorded(folder: Path) -> RunRecord:
    reporter = Reporter(quiet=True)
    recorder = RunRecorder("score", {"slides": [Path("a.svs")], "stride": None}, reporter)
    reporter.warn("one thing")
    recorder.lap("tissue")
    recorder.facts = {
        "slide": {"path": "/data/a.svs", "vendor": "aperio"},
        "counts": {"grid": 12, "tiles": 7, "scored": 6, "unreadable": 1, "anomalous": 2, "flagged": {"pen": 3}},
        "summary": SlideSummary(tissue_mm2=1.5, median_score=0.25).model_dump(),
        "anomalous": {"phrase": "per-tile error rate of 5 %", "criterion": "x"},
        "unreadable": [{"row": 1}],
    }
    recorder.write(folder, "done")
    found = RunRecord.read(folder)
    assert found is not None
    return found


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = recorded(tmp_path)
    assert (found.state, found.command, found.finished, found.warnings) == ("done", "score", True, ["one thing"])
    assert (found.counts.tiles, found.counts.unreadable, found.counts.flagged) == (7, 1, {"pen": 3})
    assert found.summary is not None
    assert found.summary.tissue_mm2 == 1.5
    document = json.loads((tmp_path / RECORD_NAME).read_text())
    assert document["format"] == FORMAT
    assert document["slide"]["vendor"] == "aperio", "what the model does not name is kept"
    assert document["counts"]["grid"] == 12
    assert document["arguments"] == {"slides": ["a.svs"], "stride": None}


def test_an_export_goes_before_the_scoring_and_loses_nothing(tmp_path: Path) -> None:
    before = json.loads((recorded(tmp_path), (tmp_path / RECORD_NAME).read_text())[1])
    called = Called.model_validate({"criterion": {"fdr": 0.1}, "counts": {"anomalous": None}, "summary": {}})
    found = RunRecord.read(tmp_path)
    assert found is not None
    found.model_copy(update={"export": {"formats": ["report"]}, "called": called}).write(tmp_path)
    after = json.loads((tmp_path / RECORD_NAME).read_text())
    assert {key: after[key] for key in before} == before
    assert after["export"] == {"formats": ["report"]}
    again = RunRecord.read(tmp_path)
    assert again is not None
    assert (again.counts.anomalous, again.as_exported().counts.anomalous) == (2, None)
    assert again.as_exported().anomalous is None
    assert again.as_exported().counts.tiles == 7


def test_an_old_record_of_a_slide_on_which_nothing_could_be_called_does_not_say_0(tmp_path: Path) -> None:
    old = {
        "state": "done", "counts": {"tiles": 7, "anomalous": 0}, "summary": {"tissue_mm2": 1.0, "p_below": 0.0},
        "anomalous": {"phrase": "per-tile error rate of 5 %", "possible": False},
    }  # fmt: skip
    (tmp_path / RECORD_NAME).write_text(json.dumps(old))
    found = RunRecord.read(tmp_path)
    assert found is not None
    told = found.as_exported()
    assert told.anomalous is told.counts.anomalous is None
    assert told.summary is not None
    assert told.summary.p_below is None


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "null", "[]", "{}", '{"state": "dreaming"}', '{"state": "done", "counts": {"tiles": -1}}',
        '{"state": "done", "counts": 3}', json.dumps({"state": "done", "format": FORMAT + 1}), "[" * 100_000,
    ],
)  # fmt: skip
def test_what_cannot_be_trusted_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD_NAME).write_text(text)
    assert RunRecord.read(tmp_path) is None
    assert not is_finished(tmp_path, "score")


def test_a_record_of_another_command_does_not_count_as_finished(tmp_path: Path) -> None:
    recorded(tmp_path)
    assert is_finished(tmp_path, "score")
    assert not is_finished(tmp_path, "tile")
    assert RunRecord.read(tmp_path, "tile") is None


@pytest.mark.parametrize(
    ("before", "command", "kept"),
    [("score", "score", True), ("score", "tile", True), ("tile", "tile", True), ("tile", "score", False)],
)
def test_a_failure_is_recorded_unless_an_earlier_run_of_more_worth_was(
    before: str, command: str, kept: bool, tmp_path: Path
) -> None:
    def fail(slide: SlideInput, folder: Path, record: RunRecorder) -> int:
        raise SlideError("the slide is gone")

    reporter, slide = Reporter(quiet=True), SlideInput(tmp_path / "a.svs", "a", None, override_mpp=False)
    (tmp_path / "a").mkdir()
    RunRecorder(before, {}, reporter).write(tmp_path / "a", "done")
    attempt_slide(slide, tmp_path / "a", fail, command, {}, reporter)
    found = RunRecord.read(tmp_path / "a")
    assert found is not None
    assert (found.command, found.state) == ((before, "done") if kept else (command, "failed"))
