"""Slides whose names are formulas, escape sequences, foreign bytes or the folder's own: the others are scored."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.cohort.conftest import Study, command, here, threads
from tests.integration.test_score import digests
from wsi_haloae.cohort.table import read_cohort
from wsi_haloae.workspace.study_files import StudyFile

FORMULA = "=cmd|'C calc'!A0"
FOREIGN = os.fsdecode(b"Pr\xe4parat")
BAD = ["..", ".lock", "cohort.csv", "Index.html", "evaluation", "a\x1b[2Jb", "a\nerror: forged", FOREIGN]


def test_a_study_of_odd_names(study: Study, quiet: Path, tmp_path: Path) -> None:
    folder, victim = tmp_path / os.fsdecode(b"Klinik M\xfcnchen\x1b[31m"), tmp_path / "mail"
    folder.mkdir()
    for name in (FORMULA, "+49 89", *BAD):
        shutil.copy(study.slides[0], folder / f"{name}.tif")
    victim.write_text("mine")
    output = folder / "out"
    (output / FORMULA).mkdir(parents=True)
    for name in ("score.log", ".begun", "score.log.partial"):
        (output / FORMULA / name).symlink_to(victim)
    above = {path.name for path in folder.iterdir()}
    asked = ["score", folder, "-m", study.model, "-o", output, "-n", "1", "--threads", str(threads())]
    done = command(*asked)
    assert done.returncode == 1, done.stderr
    said = done.stderr + done.stdout
    assert "\x1b[2J" not in said
    assert "\x1b[31m" not in said
    assert "\nerror: forged" not in said
    assert said.index("error: ") < said.index("Scoring"), "before any work"
    assert "failed: " in said
    assert r"Pr\xe4parat" in said.splitlines()[-2]

    assert {path.name for path in folder.iterdir()} == above, "nothing above the output folder"
    assert {path.name for path in output.iterdir()} <= {FORMULA, "+49 89", *StudyFile}
    assert victim.read_text() == "mine"
    for name in (FORMULA, "+49 89"):
        assert same_scores(output / name, quiet / "slide0"), name
        assert (output / name / "score.log").is_file()
        told = json.loads((output / name / "run.json").read_text(encoding="utf-8"))
        assert told["slide"]["path"] == str(folder / f"{name}.tif"), "the viewer opens it by this"

    assert sorted(read_cohort(output)) == sorted([FORMULA, "+49 89"])
    for table in ("cohort.csv", "slides.csv"):
        lines = (output / table).read_bytes()
        assert b"\x1b" not in lines
        assert {line[:2] for line in lines.splitlines()[1:]} == {b"'=", b"'+"}
    for text in [
        *output.glob("*.html"),
        *output.glob("*/*.html"),
        *output.glob("*/score.log"),
        *output.rglob("*.json"),
    ]:
        assert b"\x1b" not in text.read_bytes(), text
    state = here("status", output)
    assert state.code == 0, state.err
    assert "2 slides: 2 done" in state.out
    assert "\x1b" not in state.out

    again = here(*asked)
    assert again.code == 1
    assert "2 slides done (2 by an earlier run)" in again.err
    assert here("export", output, "--format", "report").code == 0


def same_scores(folder: Path, other: Path) -> bool:
    """By the stores, which have no name in them but the header's."""
    stores = ({n: d for n, d in digests(one / "scores.zarr").items() if n != "zarr.json"} for one in (folder, other))
    return next(stores) == next(stores)
