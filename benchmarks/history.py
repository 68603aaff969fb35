"""Writes benchmarks/history.md: how what the benchmarks measured has changed from commit to commit.

    python benchmarks/history.py                     # from the JSON files in benchmarks/results, of all commits
    python benchmarks/history.py build/bench.jsonl   # and from the rows of `make bench`

Only ratios are kept: both sides of a ratio were measured in one run, while times differ by a third from day to day. A
ratio that is more than 10 % worse than the last one of the same benchmark and machine is named. What was measured once
and has no JSON file stands below a heading of the page, and stays.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
RESULTS = "benchmarks/results"
WORSE_BY = 0.1
HERE_NAME = "here"
"""Begins the version of rows about the package itself."""
BY_HAND = "## Measured once"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Watched:
    """The ratio of a benchmark that counts."""

    figure: str
    higher_is_better: bool = True


WATCHED: Mapping[str, Watched] = {
    "engine": Watched("ratio"),
    "score": Watched("of_engine"),
    "end to end": Watched("ratio", higher_is_better=False),
    "read to the model": Watched("ratio"),
    "read into the store": Watched("ratio"),
    "backbones": Watched("ratio"),
    "ssim": Watched("speedup"),
}
"""By the name in the rows."""
SETTINGS = ("config", "model", "part", "precision", "against", "version", "slide", "codec", "device", "threads")
"""What tells the rows of a benchmark apart, as far as they have it."""


@dataclass(frozen=True)
class Measurement:
    """One ratio: of which benchmark and settings, at which commit, and how large."""

    what: str
    commit: str
    value: float
    watched: Watched

    @classmethod
    def of(cls, row: Row) -> Measurement | None:
        """None for a row without a ratio that is watched, or of another version."""
        watched = WATCHED.get(row.get("benchmark", ""))
        ours = str(row.get("version", HERE_NAME)).startswith(HERE_NAME)
        if watched is None or not ours or not isinstance(row.get(watched.figure), float | int):
            return None
        settings = [str(row[name]) for name in SETTINGS if name in row]
        what = f"{row['benchmark']}: {watched.figure}, {', '.join(settings)} ({row['machine']})"
        return cls(what, row["commit"], float(row[watched.figure]), watched)

    def worse_than(self, before: Measurement) -> float:
        """By which share of the earlier ratio; below 0 if it is better."""
        change = self.value / before.value - 1
        return -change if self.watched.higher_is_better else change


def rows_of(text: str) -> list[Row]:
    """The rows of a document: one or a list of them, or one on each line."""
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [row for row in (found if isinstance(found, list) else [found]) if isinstance(row, dict)]


def committed() -> Iterator[Row]:
    """The rows of all versions of all results, from the oldest commit on."""
    for line in _git("log", "--reverse", "--format=commit %h", "--name-only", "--diff-filter=AM", "--", RESULTS):
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.endswith(".json"):
            yield from rows_of("\n".join(_git("show", f"{commit}:{line}")))


def _git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True, cwd=HERE.parent)
    return done.stdout.splitlines()


def by_what(rows: Iterator[Row]) -> dict[str, list[Measurement]]:
    """The measurements of each ratio in their order, each commit's last one."""
    found: dict[str, dict[str, Measurement]] = {}
    for measurement in filter(None, map(Measurement.of, rows)):
        of_commits = found.setdefault(measurement.what, {})
        of_commits.pop(measurement.commit, None)
        of_commits[measurement.commit] = measurement
    return {what: list(measured.values()) for what, measured in sorted(found.items())}


def regressions(found: Mapping[str, list[Measurement]]) -> list[str]:
    """A line for each ratio that is worse by more than `WORSE_BY` than the one before."""
    return [
        f"{what}: {before.value:.3g} at {before.commit}, {last.value:.3g} at {last.commit}, "
        f"{100 * last.worse_than(before):.0f} % worse"
        for what, (*_, before, last) in ((what, one) for what, one in found.items() if len(one) > 1)
        if last.worse_than(before) > WORSE_BY
    ]


def table(found: Mapping[str, list[Measurement]]) -> str:
    """The page."""
    lines = [
        "# Benchmarks over time",
        "",
        "Written by `python benchmarks/history.py`, which keeps the end. Commit: ratio, oldest first.",
        "",
    ]
    lines += ["| benchmark | measured |", "|---|---|"]
    for what, measured in found.items():
        lines.append(f"| {what} | {', '.join(f'{one.commit}: {one.value:.3g}' for one in measured)} |")
    worse = regressions(found)
    lines += ["", f"Worse by more than {100 * WORSE_BY:g} % than the one before: {'' if worse else 'none.'}", ""]
    return "\n".join([*lines, *(f"- {line}" for line in worse)]).rstrip() + "\n"


def by_hand(page: str) -> str:
    """The end of a page, which people wrote."""
    heading, rest = page.partition(BY_HAND)[1:]
    return f"\n{heading}{rest}" if heading else ""


@click.command()
@click.argument("fresh", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def main(fresh: Path | None) -> None:
    """Write the page, with the rows in FRESH if it is given, and print what got worse."""
    rows = list(committed())
    for path in [*sorted((HERE / "results").glob("*.json")), *([] if fresh is None else [fresh])]:
        rows += rows_of(path.read_text(encoding="utf-8"))
    found = by_what(iter(rows))
    page = HERE / "history.md"
    page.write_text(table(found) + by_hand(page.read_text(encoding="utf-8")), encoding="utf-8")
    for line in regressions(found):
        click.echo(f"worse: {line}")


if __name__ == "__main__":
    main()
