"""The tables of the decoder study: a table for each backbone and set, a line for each row, means over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.baselines.by_cell import KNN
from wsi_haloae.documents import read_document
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.experiments.decoder.judgement import DECODER, FIXED, FIXED_MAP, FIXED_RULE
from wsi_haloae.experiments.decoder.rows import ROWS, DecoderRow
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


@dataclass(frozen=True)
class Difference:
    """A score's AUROC minus that of the best rival, mean of several seeds, with an interval of the mean."""

    value: float
    interval: Interval


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
    return Difference(value, Interval.from_draws(np.mean(draws, axis=0)))


def markdown_study(output: Path, found: Sequence[Result]) -> str:
    """All tables; a row that was not run is listed as not run, one that failed with its reason."""
    places = list(dict.fromkeys((str(one["backbone"]), str(one["set"])) for one in found))
    lines = ["# Decoder study\n", INTRODUCTION]
    for backbone, tiles in places:
        here = [one for one in found if (one["backbone"], one["set"]) == (backbone, tiles)]
        lines += [f"## {tiles}, {backbone}\n", *_rivals(here), HEADER, "|" + " --- |" * HEADER.count(" | ") + " --- |"]
        lines += [_line(output, row, [one for one in here if one["row"] == row.name]) for row in ROWS]
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
