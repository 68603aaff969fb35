"""The tables of the decoder study: a table for each backbone and set, a line for each row, means over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.baselines.by_cell import KNN
from wsi_haloae.documents import read_document
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.experiments.decoder.judgement import DECODER, FIXED, FIXED_MAP, FIXED_RULE
from wsi_haloae.experiments.decoder.rows import BASELINE, CONTROL, LIMITS, ROWS, DecoderRow
from wsi_haloae.experiments.decoder.run import DRAWS_NAME, RESULT_NAME
from wsi_haloae.experiments.decoder.scores import PCA

Result = Mapping[str, Any]
SCORES = (DECODER, f"{DECODER} with content", FIXED, f"{FIXED} with content", f"{FIXED} with kNN")
"""What is compared with the best rival, by the names in results."""
FAILED_NAME = "failed.json"
INTRODUCTION = (
    "AUROC of images or tiles, means over seeds. *Decoder*: by the rule with the highest mark, which is the mean AUROC "
    f"of held-out synthetic anomalies. *Fixed rule*: `{FIXED_RULE[True]}` for images, `{FIXED_RULE[False]}` for tiles; "
    f"the fixed map is `{FIXED_MAP}`. + is a difference to the best rival, with a 95 % interval by paired bootstrap; "
    "the best rival is chosen on the judged tiles. Development data.\n"
)
HEADER = (
    "| row | seeds | steps | CPU s/step | rule | mark | AUROC: decoder | fixed rule | "
    + " | ".join(f"+ {name}" for name in SCORES)
    + " | map AP: decoder, fixed, PCA, kNN | residual / PCA's |"
)
ADDED_HEADER = "| set | rule | seeds | not trained | trained | training adds | best rival | above it | marked rule |"


@dataclass(frozen=True)
class Difference:
    """A score's AUROC minus that of the best rival, mean of several seeds; interval and draws are the mean's."""

    value: float
    interval: Interval
    draws: NDArray[np.float64]


def collect(output: Path) -> list[dict[str, Any]]:
    """All results below a study's folder, and what failed, in the order of their paths."""
    paths = sorted([*output.glob(f"*/*/*/*/{RESULT_NAME}"), *output.glob(f"*/*/*/*/{FAILED_NAME}")])
    found = [{**read_document(path), "folder": path.parent.relative_to(output).as_posix()} for path in paths]
    return [one for one in found if "row" in one]


def difference(output: Path, results: Sequence[Result], score: str) -> Difference:
    """The mean difference of one row's seeds, which were judged on the same draws."""
    draws = []
    for one in results:
        with np.load(output / one["folder"] / DRAWS_NAME, allow_pickle=False) as kept:
            draws.append(kept[score])
    value = float(np.mean([one["judgement"]["against"][score]["difference"] for one in results]))
    mean = np.mean(draws, axis=0)
    return Difference(value, Interval.from_draws(mean), mean)


def markdown_added(output: Path, found: Sequence[Result]) -> list[str]:
    """What training adds, by set: the fixed rule of `BASELINE` beside `CONTROL`'s, of the seeds that both have."""
    lines = ["## What training adds\n", ADDED_HEADER, "|" + " --- |" * ADDED_HEADER.count(" | ") + " --- |"]
    for backbone, tiles in _places(found):
        done = [one for one in found if (one["backbone"], one["set"]) == (backbone, tiles) and "judgement" in one]
        plain, trained = ({one["seed"]: one for one in done if one["row"] == row.name} for row in (CONTROL, BASELINE))
        seeds = sorted(plain.keys() & trained.keys())
        if seeds:
            pair = [[row[seed] for seed in seeds] for row in (plain, trained)]
            lines.append(_added(output, f"{tiles}, {backbone}", *pair))
    return [*lines, ""]


def _added(output: Path, place: str, plain: Sequence[Result], trained: Sequence[Result]) -> str:
    before, after = (difference(output, results, FIXED) for results in (plain, trained))
    fixed = trained[0]["judgement"]["against"][FIXED]
    gain = Difference(after.value - before.value, Interval.from_draws(gained := after.draws - before.draws), gained)
    areas = [np.mean([one["judgement"]["against"][FIXED]["auroc"] for one in several]) for several in (plain, trained)]
    rules = dict.fromkeys(one["judgement"]["rule"] for one in trained)
    by_mark = np.mean([one["judgement"]["against"][DECODER]["auroc"] for one in trained])
    cells = [
        place,
        f"`{fixed['method']}`",
        ", ".join(str(one["seed"]) for one in trained),
        *(f"{area:.3f}" for area in areas),
        _words(gain),
        f"{fixed['rival']}, {fixed['rival_auroc']:.3f}",
        _words(after),
        f"{by_mark:.3f} ({', '.join(f'`{rule}`' for rule in rules)})",
    ]
    return f"| {' | '.join(cells)} |"


def _places(found: Sequence[Result]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((str(one["backbone"]), str(one["set"])) for one in found))


def markdown_study(output: Path, found: Sequence[Result]) -> str:
    """All tables; a row that was not run is listed as not run, one that failed with its reason."""
    lines = ["# Decoder study\n", INTRODUCTION, *markdown_added(output, found)]
    for backbone, tiles in _places(found):
        here = [one for one in found if (one["backbone"], one["set"]) == (backbone, tiles)]
        lines += [f"## {tiles}, {backbone}\n", *_rivals(here), HEADER, "|" + " --- |" * HEADER.count(" | ") + " --- |"]
        by_row = {row: [one for one in here if one["row"] == row.name] for row in (*ROWS, *LIMITS)}
        lines += [_line(output, row, results) for row, results in by_row.items() if results or row not in LIMITS]
        lines.append("")
    return "\n".join(lines)


def _rivals(here: Sequence[Result]) -> Iterator[str]:
    done = [one for one in here if "judgement" in one]
    if done:
        best = done[0]["judgement"]["against"][DECODER]
        yield f"Best rival: {best['rival']}, {best['rival_auroc']:.3f} (first run listed).\n"


def _line(output: Path, row: DecoderRow, results: Sequence[Result]) -> str:
    done = [one for one in results if "judgement" in one]
    failed = [f"seed {one['seed']} failed: {' '.join(one['failed'].split())}" for one in results if "failed" in one]
    blanks = HEADER.count(" | ") - 1
    if not done:
        return f"| {row.name} | {'; '.join(failed) or 'not run'} |" + " |" * blanks
    judged = [one["judgement"] for one in done]
    seeds = ", ".join(str(one["seed"]) for one in done)
    cells = [
        row.name,
        "; ".join([seeds, *failed]),
        f"{np.mean([one['steps'] for one in done]):.0f}",
        f"{np.mean([one['cpu_seconds_per_step'] for one in done]):.2f}",
        ", ".join(dict.fromkeys(one["rule"] for one in judged)),
        f"{np.mean([one['marks'][one['rule']] for one in judged]):.3f}",
        *(f"{np.mean([one['against'][score]['auroc'] for one in judged]):.3f}" for score in (DECODER, FIXED)),
        *(_words(difference(output, done, score)) for score in SCORES),
        _maps([one["maps"] for one in judged]),
        f"{np.mean([one['residual'] / one['pca_residual'] for one in done]):.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _words(found: Difference) -> str:
    return f"{found.value:+.3f} ({found.interval.low:+.3f} to {found.interval.high:+.3f})"


def _maps(maps: Sequence[Mapping[str, Any] | None]) -> str:
    there = [one for one in maps if one is not None]
    if not there:
        return ""
    own = [np.mean([one[name] for one in there]) for name in ("average_precision", "fixed_precision")]
    rivals = [np.mean([one["rivals"][name] for one in there]) for name in (PCA, KNN)]
    return ", ".join(f"{100 * value:.1f}" for value in (*own, *rivals))
