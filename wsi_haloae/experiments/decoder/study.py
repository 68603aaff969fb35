"""The decoder study: every row on every set with every seed, on features from disk (docs/decoder-plan.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import write_text
from wsi_haloae.config import Config, load_config
from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.experiments.decoder.cache import FeatureCache
from wsi_haloae.experiments.decoder.judgement import FIXED
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.limits import has_limits, write_limits
from wsi_haloae.experiments.decoder.picture import write_differences
from wsi_haloae.experiments.decoder.rows import DecoderRow, missing_for_together, passing, put_together
from wsi_haloae.experiments.decoder.run import run_decoder
from wsi_haloae.experiments.decoder.sets import StudyData, StudySet, open_set
from wsi_haloae.experiments.decoder.table import FAILED_NAME, collect, markdown_study
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.device import resolve_device
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.training.identity import Identity
from wsi_haloae.workspace.lock import locked

SEEDS = 3
"""How many seeds of an ingredient that passes must be done before they are put together."""


@dataclass(frozen=True)
class StudyOptions:
    """What all runs share. ``weights`` are files by backbone; a backbone without one uses its published weights."""

    data: Path
    output: Path
    cache: Path
    configs: tuple[str, ...]
    settings: tuple[str, ...]
    weights: Mapping[str, Path]
    steps: int
    device: str


@dataclass(frozen=True)
class Run:
    """One run by names; its files lie in ``folder`` below the study's output."""

    backbone: str
    tiles: str
    row: DecoderRow
    seed: int

    @property
    def facts(self) -> dict[str, Any]:
        """What its result says about it."""
        return {"backbone": self.backbone, "set": self.tiles, "row": self.row.name, "seed": self.seed}

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return Path(self.backbone, self.tiles, self.row.folder, str(self.seed))


class Study:
    """Runs of the study. Features of the last set stay open from one run to the next."""

    def __init__(self, options: StudyOptions, reporter: Reporter) -> None:
        self._options, self._reporter = options, reporter
        self._opened: dict[str, StudySet] = {}

    def run_all(
        self, backbones: Sequence[str], sets: Sequence[str], rows: Sequence[DecoderRow], seeds: Sequence[int]
    ) -> int:
        """Run what is not done yet; tables and picture are written after each run. Returns the exit code.

        A run that fails is listed as failed, and the others continue.
        """
        ready_to_compute(None)
        failed = []
        for backbone, seed, tiles, row in product(backbones, seeds, sets, rows):
            run = Run(backbone, tiles, row, seed)
            self._reporter.line(f"== {backbone}, {tiles}, {row.name}, seed {seed}")
            folder = self._options.output / run.folder
            try:
                with locked(folder, self._reporter.warn):
                    self._run(run, folder)
            except Exception as error:  # noqa: BLE001  # one row that fails must not stop a study of many hours
                self._reporter.error(f"{run.folder}: {error}")
                self._reporter.trace(error)
                failed.append(str(run.folder))
                own = isinstance(error, WsiHaloaeError)
                reason = str(error) if own else f"{type(error).__name__}: {error}"
                write_text(folder / FAILED_NAME, json.dumps({**run.facts, "failed": reason}) + "\n")
            write_tables(self._options.output)
        if failed:
            self._reporter.error(f"runs that failed: {', '.join(failed)}")
        return 1 if failed else 0

    def prepare(self, backbones: Sequence[str], sets: Sequence[str]) -> None:
        """Compute the features that all rows need, and train nothing."""
        for backbone, tiles in product(backbones, sets):
            config = self._config(Run(backbone, tiles, DecoderRow("features"), 0))
            KeptSet.of(self._set(tiles), self._cache(backbone, tiles, config), config)

    def _run(self, run: Run, folder: Path) -> None:
        config, tiles = self._config(run), self._set(run.tiles)
        kept = KeptSet.of(tiles, self._cache(run.backbone, run.tiles, config), config)
        rivals = folder.parents[1] / "rivals"
        device = resolve_device(self._options.device)
        identity = self._identity(run, config, tiles)
        run_decoder(kept, config, folder, rivals, run.facts, identity, device, self._reporter)
        (folder / FAILED_NAME).unlink(missing_ok=True)

    def _config(self, run: Run) -> Config:
        tiles, asked = self._set(run.tiles), run.row.settings
        if run.row.together:
            asked = (*put_together(passing(self._areas(run.backbone))), *asked)
        settings = [
            *tiles.settings,
            *self._options.settings,
            f"model.features.backbone={run.backbone}",
            *asked,
            f"training.seed={run.seed}",
            f"training.steps={run.row.steps or run.row.longer * self._options.steps}",
        ]
        return resolve(load_config([*self._options.configs, "only-fm"], settings, base=tiles.base))

    def _areas(self, backbone: str) -> dict[str, dict[str, dict[int, float]]]:
        """AUROC of the fixed rule by row and set; `UsageError` if ingredients cannot be put together yet."""
        areas: dict[str, dict[str, dict[int, float]]] = {}
        for one in collect(self._options.output):
            if one["backbone"] == backbone and "judgement" in one:
                area = one["judgement"]["against"][FIXED]["auroc"]
                areas.setdefault(one["row"], {}).setdefault(one["set"], {})[one["seed"]] = area
        missing = missing_for_together(areas, SEEDS)
        if missing:
            raise UsageError(
                f"ingredients are put together from {SEEDS} seeds of every row on the deciding sets that passes; "
                f"{len(missing)} are not done, such as {missing[0]}. Run them first."
            )
        return areas

    def _set(self, name: str) -> StudySet:
        if name not in self._opened:
            work = StudyData(self._options.data, self._options.cache / "tiles", self._reporter)
            self._opened = {name: open_set(name, work)}
        return self._opened[name]

    def _cache(self, backbone: str, tiles: str, config: Config) -> FeatureCache:
        folder = self._options.cache / tiles / backbone
        return FeatureCache(folder, config, self._options.weights.get(backbone), self._reporter)

    def _identity(self, run: Run, config: Config, tiles: StudySet) -> Identity:
        """What a run depends on. Defaults are left out: a setting that is added later makes no run another one."""
        weights = self._options.weights.get(run.backbone)
        return {
            "config": config.model_dump(mode="json", exclude_defaults=True),
            "reference tiles": tiles.source.digest(),
            "judged tiles": tiles.judged.digest(),
            "--weights": file_sha256(weights) if weights else None,
        }


def write_tables(output: Path) -> None:
    """Write ``table.md``, ``table.json`` and pictures from all runs that are done or have failed."""
    found = collect(output)
    write_text(output / "table.md", markdown_study(output, found))
    without = [{key: value for key, value in one.items() if key not in {"identity", "curve"}} for one in found]
    write_text(output / "table.json", json.dumps(without, indent=1) + "\n")
    if any("judgement" in one for one in found):
        write_differences(output / "differences.png", output, found)
    if has_limits(found):
        write_limits(output / "limits.png", found)
