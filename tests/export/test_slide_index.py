"""The index of a folder, from what is in it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.export.pages import Page
from wsi_haloae.export.slide_index import write_index

CALLING = {"phrase": "false-discovery rate of 10 %", "criterion": "..."}


def record(folder: Path, state: str, **facts: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told = {"state": state, "command": "score", "started": "2026-01-01", "seconds": {"scoring": 1.5}, **facts}
    (folder / "run.json").write_text(json.dumps(told))


def done(folder: Path, **facts: object) -> None:
    counts = {"tiles": 200, "scored": 199, "unreadable": 1, "anomalous": 20, "flagged": {"mostly_glass": 3, "pen": 0}}
    record(folder, "done", counts=counts, anomalous=CALLING, **facts)
    (folder / "report.html").touch()


def words(output: Path) -> str:
    write_index(output)
    page = Page(output / "index.html")
    page.assert_self_contained()
    return page.words


def test_a_done_slide_has_its_figures(tmp_path: Path) -> None:
    done(tmp_path / "a")
    found = words(tmp_path)
    assert "1 slide: 1 done" in found
    assert "a done, 1 unreadable 200 10 % false-discovery rate of 10 % mostly glass 3" in found


def test_what_another_run_would_change_is_not_in_it(tmp_path: Path) -> None:
    done(tmp_path / "a", warnings=["out of memory"])
    words(tmp_path)
    before = (tmp_path / "index.html").read_bytes()
    done(tmp_path / "a", started="2027-07-07", seconds={"scoring": 99}, host={"name": "other"})
    words(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_failures_and_interrupted_slides_are_there_and_other_folders_are_not(tmp_path: Path) -> None:
    record(tmp_path / "a", "failed", error="a.svs: damaged")
    (tmp_path / "b/scores.zarr").mkdir(parents=True)
    record(tmp_path / "c", "done", counts={"tiles": 5, "unreadable": 0})
    (tmp_path / "c/run.json").write_text((tmp_path / "c/run.json").read_text().replace('"score"', '"tile"'))
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d/run.json").write_text("[")
    (tmp_path / "notes.txt").write_text("x")
    found = words(tmp_path)
    assert "2 slides: 1 failed, 1 not finished" in found
    assert "a failed a.svs: damaged" in found
    assert "b not finished" in found


def test_a_slide_on_which_nothing_can_be_called_has_no_share(tmp_path: Path) -> None:
    for name in "ab":
        counts = {"tiles": 5, "scored": 5, "anomalous": None}
        record(tmp_path / name, "done", counts=counts, anomalous=None, summary={"why_none": "None can be: because."})
        (tmp_path / name / "report.html").touch()
    found = words(tmp_path)
    assert found.count("None can be: because.") == 1, "once for all slides"
    assert "%" not in found


def test_what_an_export_called_is_in_it_once_the_report_says_so(tmp_path: Path) -> None:
    calling = {"phrase": "score above 3", "criterion": "score above 3"}
    called = {"anomalous": calling, "counts": {"anomalous": 40}}
    done(tmp_path / "a", export={**called, "formats": ["csv"]})
    assert "10 % false-discovery rate of 10 %" in words(tmp_path)
    done(tmp_path / "a", called=called)
    assert "20 % score above 3" in words(tmp_path)


def test_slides_that_training_used_are_marked(tmp_path: Path) -> None:
    done(tmp_path / "a", trained_on={"slide": {"validation": 7}, "patient": ["train", "validation"]})
    done(tmp_path / "b", trained_on={"slide": {}, "patient": []})
    done(tmp_path / "c", trained_on=None)
    found = words(tmp_path)
    assert found.count("used in training") == 1
    assert "used in training: slide: validation; patient: train, validation" in found
