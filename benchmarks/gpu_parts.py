"""The parts of gpu.sh, one after the other. A run that is cut short leaves the rows of all that it measured.

    benchmarks/gpu.sh [--dry-run] [FILE]

Needs nothing but Python, because what the parts need may be missing: then the rows say so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from threading import Timer
from typing import Any

HERE = Path(__file__).resolve().parent
WHOLE_SECONDS = 570
"""For all parts: a machine that is lent for ten minutes ends a command then."""
DRY_PATIENCE = 5
"""How many times as long each part may take in a dry run: a CPU is slow, and others use it, too."""
SAID = 2000
"""Characters of a failed part's output that are kept."""
ATTENTIVE = ("haloae-small", "haloae")
PRESETS = (*ATTENTIVE, "haloae-2-small", "haloae-2")


@dataclass(frozen=True)
class Part:
    """A program in this folder with its arguments, and how many seconds it may take."""

    name: str
    seconds: float
    words: tuple[str, ...]


class Rows:
    """A file of JSON rows that is whole after each of them."""

    def __init__(self, path: Path) -> None:
        self._path, self._rows = path, list[Mapping[str, Any]]()
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep one more."""
        self._rows.append(row)
        beside = self._path.with_suffix(".partial")
        beside.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")
        beside.replace(self._path)


def parts(*, dry: bool) -> list[Part]:
    """What is run, in order: what cannot be known without a GPU comes first."""
    sizes = _options(("demo",), "--tile", "64", "-b", "2") if dry else ()
    presets, attentive = sizes or _options(PRESETS), sizes or _options(ATTENTIVE)
    device = ("--device", "cpu" if dry else "cuda")
    scored = ("--batches", "1") if dry else ("--batches", "20")
    step = (*_options(("demo",)), "--runs", "1", "--eager") if dry else (*_options(("haloae",)), "--runs", "3")
    side = ("demo", "--tile", "64", "--side", "1024") if dry else ("haloae-small", "--side", "8192")
    readers = ("--runs", "1", "--readers", str(min(16, os.cpu_count() or 1)))
    return [
        Part("attention", 60, ("bench_attention.py", *device, *attentive, "--runs", "1" if dry else "20")),
        Part("engine and scoring", 150, ("bench_device.py", *device, *presets, *scored)),
        Part("training step", 90, ("train_step.py", *device, *step)),
        Part("tests", 60, ("told_tests.py", "tests/engine/test_gpu.py", "tests/engine/test_replay.py")),
        Part("end to end", 150, ("bench_end_to_end.py", *device, "--config", *side, *readers)),
    ]


def _options(presets: Sequence[str], *more: str) -> tuple[str, ...]:
    return (*(word for preset in presets for word in ("--config", preset)), *more)


def run_part(part: Part, rows: Rows, seconds: float) -> bool:
    """Run a part for at most ``seconds``; keeps the rows that it prints, and one about itself. Whether it went well."""
    print(f"{part.name} ...", file=sys.stderr, flush=True)
    begun, said = time.monotonic(), ""
    command = [sys.executable, "-u", *part.words]
    with subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None, "it was asked for"
        timer = Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))  # with all that the part has started
        timer.start()
        for line in process.stdout:
            said = (said + line)[-SAID:]
            if (row := _row(line)) is not None:
                rows.add(row)
        code = process.wait()
        timer.cancel()
    taken = time.monotonic() - begun
    row: dict[str, Any] = {"benchmark": "gpu part", "part": part.name, "seconds": round(taken, 1)}
    if code:
        row |= {"failed": f"stopped after {seconds:.0f} s" if taken >= seconds else f"exit status {code}", "said": said}
        print(f"  failed: {row['failed']}\n{said[-400:]}", file=sys.stderr, flush=True)
    rows.add(row)
    return code == 0


def _row(line: str) -> Mapping[str, Any] | None:
    """The row that a line is, if it is one."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def installed(wheels: Sequence[str], into: Path) -> Iterator[Part]:
    """A part that unpacks the wheels, if there are any, where all later parts find them.

    This package is found there, too, if it is not installed: it asks for its own version.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(into)])
    if not list(metadata.distributions(name="wsi-haloae")):
        stated = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        own = into / f"wsi_haloae-{stated['version']}.dist-info"
        own.mkdir()
        (own / "METADATA").write_text(f"Metadata-Version: 2.1\nName: wsi-haloae\nVersion: {stated['version']}\n")
    if wheels:
        quiet = ("--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(into))
        yield Part("wheels", 60, ("-m", "pip", "install", *quiet, *wheels))


def main() -> int:
    """Run all parts; 1 if any of them failed."""
    asked = argparse.ArgumentParser(prog="gpu.sh")
    asked.add_argument("--dry-run", action="store_true", help="on a CPU, with the smallest sizes")
    asked.add_argument("file", nargs="?", type=Path, help="where the rows go")
    given = asked.parse_args()
    usual = "build/gpu-dry-run.json" if given.dry_run else "benchmarks/results/gpu.json"
    path: Path = given.file or HERE.parent / usual
    patience = DRY_PATIENCE if given.dry_run else 1
    rows, end = Rows(path), time.monotonic() + patience * WHOLE_SECONDS
    with tempfile.TemporaryDirectory() as site:
        wheels = sorted(map(str, Path(os.environ.get("WHEELS", HERE.parent / "wheels")).glob("*.whl")))
        everything = [*installed(wheels, Path(site)), *map(_program, parts(dry=given.dry_run))]
        went_well = [run_part(part, rows, min(patience * part.seconds, end - time.monotonic())) for part in everything]
    print(path, file=sys.stderr)
    return 0 if all(went_well) else 1


def _program(part: Part) -> Part:
    program, *words = part.words
    return Part(part.name, part.seconds, (str(HERE / program), *words))


if __name__ == "__main__":
    sys.exit(main())
