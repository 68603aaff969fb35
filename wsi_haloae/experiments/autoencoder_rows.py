"""Compares block C with PCA: how a setting changes the residual of held-out reference tiles, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.atomic import write_text
from wsi_haloae.baselines.image_baselines import code_width
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.documents import read_document
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.fit import fit
from wsi_haloae.training.identity import identity_of
from wsi_haloae.training.job import STATE_NAME, TrainingData, TrainingJob
from wsi_haloae.training.split import split_by_group
from wsi_haloae.training.statistics import draw, images_of
from wsi_haloae.workspace.lock import locked

RESULT_NAME = "residual.json"


@dataclass(frozen=True)
class AutoEncoderRow:
    """The settings that one row changes, in the form of ``--set``."""

    name: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowResidual:
    """Mean A_fm of held-out tiles: block C, and a PCA of the same features with as many components as its code."""

    name: str
    steps: int
    components: int
    block_c: float
    pca: float

    @property
    def ratio(self) -> float:
        """Below 1: block C reconstructs tiles of other groups better than the best linear code of its width."""
        return self.block_c / self.pca


@dataclass(frozen=True)
class RowOptions:
    """What all rows share: presets and settings, backbone weights, device."""

    configs: Sequence[str]
    settings: Sequence[str]
    weights: Path | None
    device: str


def run_autoencoder_rows(
    source: TileSource, rows: Sequence[AutoEncoderRow], output: Path, options: RowOptions, reporter: Reporter
) -> int:
    """Train each row in ``output/<row>/``, and write ``table.md`` and ``table.json`` after each; done rows are skipped.

    Only L_fm is trained: blocks D and E would double the cost and do not change the residual. Returns the exit code.
    """
    ready_to_compute(None)
    done, failed = [], []
    for row in rows:
        reporter.line(f"== {row.name}")
        folder = output / row.name.replace(" ", "-")
        try:
            with locked(folder, reporter.warn):
                done.append(_run(source, row, folder, options, reporter))
        except WsiHaloaeError as error:
            reporter.error(f"{row.name}: {error}")
            failed.append(row.name)
        write_text(output / "table.md", markdown_residuals(done))
        write_text(output / "table.json", json.dumps([asdict(one) for one in done], indent=2) + "\n")
    if failed:
        reporter.error(f"rows that failed: {', '.join(failed)}")
    return 1 if failed else 0


def markdown_residuals(rows: Sequence[RowResidual]) -> str:
    """A table with one line per row, in the given order."""
    lines = [
        "# Block C against PCA\n",
        "Mean squared residual of reference tiles from groups not used for training. A ratio below 1 beats PCA.\n",
        "| row | steps | block C | PCA | components | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    cells = (f"{one.steps} | {one.block_c:.4g} | {one.pca:.4g} | {one.components} | {one.ratio:.3f}" for one in rows)
    lines += [f"| {one.name} | {words} |" for one, words in zip(rows, cells, strict=True)]
    return "\n".join(lines) + "\n"


def _run(source: TileSource, row: AutoEncoderRow, folder: Path, options: RowOptions, reporter: Reporter) -> RowResidual:
    config = resolve(load_config([*options.configs, "only-fm"], [*options.settings, *row.settings], base=SLIDE_BASE))
    weights = file_sha256(options.weights) if options.weights else None
    identity = identity_of(config, **{"reference tiles": source.digest(), "--weights": weights})
    result = folder / RESULT_NAME
    if (stored := read_document(result)).get("identity") == identity:
        reporter.line(f"{folder}: done already, skipped")
        return RowResidual(**stored["residual"])
    split, device = split_by_group(source.groups, config.split, config.training.seed), resolve_device(options.device)
    data = TrainingData(source, split.tiles["train"], split.tiles["validation"])
    job = TrainingJob(config, data, folder, identity, device, weights=options.weights, mpp=source.mpp)
    checkpoint, curve = fit(job, reporter)
    model = checkpoint.model.eval()
    measured, kept_out = draw(data.train, config), split.tiles["calibration"]
    components = code_width(checkpoint)
    with reporter.track("Comparing with PCA", len(measured) + len(kept_out), "tiles") as advance:

        def features(tiles: NDArray[np.int64]) -> Iterator[Tensor]:
            for images in images_of(source, tiles, model, device):
                yield model.features(images)
                advance(len(images))

        pca = PcaReconstruction.fit(lambda: features(measured), components)
        residual = RowResidual(row.name, curve[-1].step, components, *_residuals(model, pca, features(kept_out)))
    (folder / STATE_NAME).unlink(missing_ok=True)
    write_text(result, json.dumps({"identity": identity, "residual": asdict(residual)}) + "\n")
    return residual


@torch.inference_mode()
def _residuals(model: HaloAE, pca: PcaReconstruction, batches: Iterator[Tensor]) -> tuple[float, float]:
    by_model, by_pca = [], []
    for features in batches:
        by_model.append(residual_map(features, model.reconstruct(features)).mean(dim=(1, 2)))
        by_pca.append(pca.maps(features).mean(dim=(1, 2)))
    return float(torch.cat(by_model).mean()), float(torch.cat(by_pca).mean())
