"""Experiments with several rows: each row is a configuration, trained and evaluated on the same categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import write_text
from wsi_haloae.config import MVTEC_BASE, load_config
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.mvtec.category_folder import RESULT_NAME
from wsi_haloae.mvtec.image_set import ImageSet
from wsi_haloae.mvtec.paper_figures import Published
from wsi_haloae.mvtec.row_table import RowResults, markdown_rows
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec


@dataclass(frozen=True)
class ExperimentRow:
    """What one row changes, as presets applied on top of the model's, and the paper's results, if any.

    A row with the name of a ``baseline`` trains no model of its own: it is that baseline in the first row's run, on the
    same features and with the same figures.
    """

    name: str
    configs: tuple[str, ...] = ()
    paper: Published | None = None
    baseline: str | None = None

    @property
    def folder(self) -> str:
        """The row's name, made suitable for a folder."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name).lower().split())


def run_rows(
    title: str,
    rows: Sequence[ExperimentRow],
    sets: Sequence[ImageSet],
    output: Path,
    configs: Sequence[str],
    settings: Sequence[str],
    options: MvtecOptions,
    reporter: Reporter,
) -> int:
    """Run each row in ``output/<row>/``, and write the table after each; done rows are skipped.

    If a row fails, this is reported and the others continue. Returns the exit code: 0, or 1 if a row failed.
    """
    done, failed = [], []
    first, compared = rows[0], any(row.baseline for row in rows)
    for row in rows:
        if row.baseline:
            found = baseline_results(row_results(output / first.folder, sets), row.baseline)
            done.append(RowResults(row.name, found, row.paper))
            _write(title, done, output)
            continue
        reporter.line(f"== {row.name}")
        folder = output / row.folder
        try:
            config = load_config([*configs, *row.configs], settings, base=MVTEC_BASE)
            chosen = replace(options, baselines=compared and row is first)
            code = run_mvtec(sets, folder, config, chosen, {"row": row.name}, reporter)
        except WsiHaloaeError as error:
            reporter.error(f"{row.name}: {error}")
            code = 1
        if code:
            failed.append(row.name)
        done.append(RowResults(row.name, row_results(folder, sets), row.paper))
        _write(title, done, output)
    if failed:
        reporter.error(f"rows that failed: {', '.join(failed)}")
    return 1 if failed else 0


def _write(title: str, rows: Sequence[RowResults], output: Path) -> None:
    write_text(output / "table.md", markdown_rows(title, rows))
    write_text(output / "table.json", json.dumps([one.as_json() for one in rows], indent=2) + "\n")


def row_results(folder: Path, sets: Sequence[ImageSet]) -> dict[str, dict[str, Any]]:
    """The ``mvtec.json`` files of a row, by category; missing ones are left out."""
    files = {images.name: folder / images.name / RESULT_NAME for images in sets}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items() if path.exists()}


def baseline_results(results: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """What a table needs of the baseline ``name`` in a row's results; categories without it are left out."""
    return {
        category: {
            **{key: result[key] for key in ("data", "label", "steps", "seed", "decided_by")},
            "image": {"auroc": baseline["image_auroc"]},
            "pixel": baseline["pixel"],
            "convergence": None,
        }
        for category, result in results.items()
        for baseline in result["baselines"]
        if baseline["name"] == name
    }
