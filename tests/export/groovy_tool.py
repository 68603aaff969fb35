"""Groovy, the language of QuPath's scripts, with JavaFX as it is and with stand-ins of QuPath's classes.

The stand-ins, ``qupath/api``, have the signatures of QuPath's sources; QuPath itself comes from no package registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.missing import missing

FOLDER = Path(__file__).with_name("qupath")
JAVAFX = tuple(Path("/usr/share/java", f"javafx-{part}.jar") for part in ("base", "graphics", "controls"))
TOOLS = ("groovy", "groovyc", "java")


@dataclass(frozen=True)
class Groovy:
    """Groovy with a class path: JavaFX, and a folder for the compiled stand-ins."""

    scratch: Path

    def compile_stand_ins(self) -> None:
        """Compile ``qupath/api`` into the class path."""
        self._call("groovyc", "-d", self.scratch, *sorted((FOLDER / "api").rglob("*.groovy")))

    def errors(self, scripts: Sequence[Path]) -> list[list[str]]:
        """What the compiler has against each script, every call's types checked."""
        found = self.scratch / "errors.json"
        self._call("groovy", FOLDER / "check.groovy", found, *scripts)
        said = json.loads(found.read_text(encoding="utf-8"))
        return [said[str(script)] for script in scripts]

    def run(self, steps: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """What becomes of each step, a script and the circumstances it is run in; all in one start of Groovy."""
        asked, found = self.scratch / "steps.json", self.scratch / "results.json"
        asked.write_text(json.dumps(list(steps.values()), default=str), encoding="utf-8")
        self._call("groovy", FOLDER / "run.groovy", FOLDER / "toolkit", asked, found)
        return dict(zip(steps, json.loads(found.read_text(encoding="utf-8")), strict=True))

    def _call(self, tool: str, *arguments: str | Path) -> None:
        java_home = Path(shutil.which("java") or "").resolve().parents[1]
        done = subprocess.run(
            [tool, "-cp", os.pathsep.join(map(str, (*JAVAFX, self.scratch))), *arguments],
            env={**os.environ, "JAVA_HOME": str(java_home), "LC_ALL": "C.UTF-8"},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def find_groovy(scratch: Path) -> Groovy:
    """Groovy with the stand-ins compiled into `scratch`; where it is not installed the test is skipped."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None] + [str(jar) for jar in JAVAFX if not jar.exists()]
    if lacking:
        missing(f"{', '.join(lacking)} not found; 'make test-tools' installs Groovy and JavaFX on Debian and Ubuntu")
    found = Groovy(scratch)
    found.compile_stand_ins()
    return found
