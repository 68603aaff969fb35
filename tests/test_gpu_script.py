"""The script for a machine with a GPU: what it measured stays, whatever becomes of the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_parts
from benchmarks.gpu_parts import Part, Rows, run_part
from tests.data_paths import REPOSITORY

MEASURES = "import json, sys, time\nprint(json.dumps({'benchmark': 'one'}))\nprint('words')\n"


def rows_in(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("after", "seconds", "failed"),
    [
        ("", 60, None),
        ("sys.exit('no kernel')", 60, "exit status 1"),
        ("time.sleep(60)", 1, "stopped after 1 s"),
    ],
)
def test_a_part_leaves_its_rows_and_says_how_it_ended(
    after: str, seconds: float, failed: str | None, tmp_path: Path
) -> None:
    rows = Rows(tmp_path / "gpu.json")
    assert run_part(Part("a part", 60, ("-c", MEASURES + after)), rows, seconds) == (failed is None)
    first, about = rows_in(tmp_path / "gpu.json")
    assert first == {"benchmark": "one"}
    assert (about["part"], about.get("failed")) == ("a part", failed)
    assert failed is None or "words" in about["said"]


def test_the_others_go_on_and_the_exit_status_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an interpreter that does not have the package finds it."""
    programs = tmp_path / "benchmarks"
    programs.mkdir()
    (programs / "broken.py").write_text("import nothing_of_this_name\n")
    (programs / "asks.py").write_text(
        "import json\nfrom importlib.metadata import version\nprint(json.dumps({'version': version('wsi-haloae')}))\n"
    )
    monkeypatch.setattr(gpu_parts, "HERE", programs)
    monkeypatch.setattr(gpu_parts.metadata, "distributions", lambda name: [])
    monkeypatch.setattr(
        gpu_parts, "parts", lambda *, dry: [Part("broken", 60, ("broken.py",)), Part("asks", 60, ("asks.py",))]
    )
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(sys, "argv", ["gpu.sh", "--dry-run", str(tmp_path / "rows.json")])
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.7"\n')
    assert gpu_parts.main() == 1
    broken, asked, asks = rows_in(tmp_path / "rows.json")
    assert "nothing_of_this_name" in broken["said"]
    assert asked == {"version": "7.7"}
    assert "failed" not in asks


@pytest.mark.parametrize("dry", [False, True])
def test_each_part_is_a_program_that_knows_its_arguments(dry: bool) -> None:
    """The parts themselves take minutes; a word that click or the file system does not know is found here."""
    for part in gpu_parts.parts(dry=dry):
        program, *words = part.words
        source = (REPOSITORY / "benchmarks" / program).read_text()
        for word in words:
            if word.startswith("-"):
                assert f'"{word}"' in source, (program, word)
            elif word.startswith("tests/"):
                assert (REPOSITORY / word).exists()


def test_all_parts_together_end_within_ten_minutes() -> None:
    wheels = 60
    assert sum(part.seconds for part in gpu_parts.parts(dry=False)) + wheels <= gpu_parts.WHOLE_SECONDS < 600


def test_the_shell_finds_its_interpreter(tmp_path: Path) -> None:
    script = REPOSITORY / "benchmarks/gpu.sh"
    told = subprocess.run([script, "--help"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "--dry-run" in told.stdout
