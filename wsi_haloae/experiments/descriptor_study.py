"""How many numbers a descriptor needs, and whether its p-values count what they say on new groups.

    moments of reference and test tiles, once -> cross_fit by size     -> AUROC
                                              -> cross_fit on a part of the groups, 20 times -> p-values of the others

Nothing is trained: models of `histology` runs give the features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.adaptation.standpoint import calibration_scores
from wsi_haloae.atomic import write_text
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.calibration.reach import TILE_RATE
from wsi_haloae.calibration.true_rate import RateRange, true_rate
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.experiments.colourings import COLOURINGS, Colouring
from wsi_haloae.experiments.histology import HistologySet, prepare
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.pages import percent
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.training.descriptors import DEFAULT_WEIGHT, CrossFitted, cross_fit
from wsi_haloae.training.moments import BATCH, Moments, measure_moments, moments_of, passes

SIZES = (16, 32, 64, 96, 128, 192, 256)
SPLITS, LEARNING = 20, 0.6
"""How often the groups are split, and the share of them that calibrate."""


@dataclass(frozen=True)
class Split:
    """Share of new groups' reference tiles with p <= `TILE_RATE`, and the range that was promised (None: none)."""

    share: float
    promised: RateRange | None

    @property
    def kept(self) -> bool:
        """Whether the share lies in the range."""
        return self.promised is not None and self.promised.low <= self.share <= self.promised.high


@dataclass(frozen=True)
class ColouringStudy:
    """One colouring: AUROC of test tiles by size of the descriptor, and all splits."""

    colouring: Colouring
    areas: dict[int, float]
    splits: Sequence[Split]


@dataclass(frozen=True)
class _Measured:
    """Moments of training tiles, and of test tiles (t, D) with their groups and labels (t,)."""

    training: Moments
    tested: NDArray[np.float32]
    groups: NDArray[np.str_]
    anomalous: NDArray[np.bool_]


def study_descriptors(
    root: Path, tiles: HistologySet, runs: Path, output: Path, device: torch.device, reporter: Reporter
) -> list[ColouringStudy]:
    """Study each colouring of which ``runs`` (the output of `histology`) has a model; tables go to ``output``."""
    found = []
    for colouring in COLOURINGS:
        model = next(iter(sorted(runs.glob(f"{colouring}-*/model.safetensors"))), None)
        if model is not None:
            reporter.line(f"== {tiles.name}, {colouring}: features of {model}")
            measured = _measure(root, tiles, colouring, Checkpoint.load(model), device, reporter)
            found.append(ColouringStudy(colouring, _by_size(measured), list(_split(measured))))
    if not found:
        raise UsageError(f"{runs}: no model here; name the folder that pipelines/histology.py wrote for these tiles.")
    write_text(output / f"{tiles.name}.md", markdown_study(tiles.name, found))
    write_text(output / f"{tiles.name}.json", json.dumps([asdict(one) for one in found], indent=2) + "\n")
    return found


def _measure(
    root: Path,
    tiles: HistologySet,
    colouring: Colouring,
    checkpoint: Checkpoint,
    device: torch.device,
    reporter: Reporter,
) -> _Measured:
    data = prepare(root, tiles, colouring, checkpoint.facts.config)
    groups, tested = data.source.groups, data.labelled.source
    with reporter.track("Measuring tiles", passes(groups, data.source.blocks) + len(tested.groups), "tiles") as advance:
        training = measure_moments(checkpoint, data.source, groups, device, advance)
        moments = moments_of(Scorer(checkpoint, device, BATCH), tested, np.arange(len(tested.groups)), advance)
    return _Measured(training, moments, np.asarray(tested.groups), data.labelled.anomalous)


def _by_size(measured: _Measured) -> dict[int, float]:
    return {
        size: auroc(_scores(cross_fit(measured.training, 0, size), measured.tested), measured.anomalous)
        for size in SIZES
    }


def _split(measured: _Measured) -> Iterator[Split]:
    """Some groups of all reference tiles, training and test, calibrate; the others are new."""
    known = ~measured.anomalous
    everything = Moments(
        np.concatenate([measured.training.values, measured.tested[known]]),
        np.concatenate([measured.training.groups, measured.groups[known]]),
        nowhere(len(measured.training.groups) + int(known.sum())),
        measured.training.places,
        measured.training.changed,
    )
    names = np.unique(everything.groups)
    for draw in range(SPLITS):
        chosen = np.random.default_rng(draw).permutation(names)[: round(LEARNING * len(names))]
        yield promised_and_found(everything, np.isin(everything.groups, chosen), draw)


def promised_and_found(moments: Moments, learning: NDArray[np.bool_], seed: int) -> Split:
    """Learn and calibrate on the tiles ``learning`` (n,), and count the small p-values of the others."""
    fitted = cross_fit(moments.of(learning), seed)
    held_out, groups = calibration_scores(fitted.reference(DEFAULT_WEIGHT), "none", 0)
    calibration = ConformalCalibration.fit(held_out, groups.astype(np.str_))
    p_values = calibration.p_values(_scores(fitted, moments.values[~learning]))
    return Split(float(np.mean(p_values <= TILE_RATE)), true_rate(calibration.facts.effective_tiles))


def _scores(fitted: CrossFitted, moments: NDArray[np.float32]) -> NDArray[np.float32]:
    return fitted.whole.metric(DEFAULT_WEIGHT).unknown.distance(fitted.whole.describe(moments))


def markdown_study(title: str, found: Sequence[ColouringStudy]) -> str:
    """A table of sizes and one of splits."""
    sizes = list(found[0].areas)
    lines = [
        f"# {title}: descriptors\n",
        "AUROC of test tiles by the numbers of a descriptor, not adapted.\n",
        f"| colouring | {' | '.join(map(str, sizes))} |",
        f"|---|{'---:|' * len(sizes)}",
        *(f"| {one.colouring} | {' | '.join(f'{one.areas[size]:.3f}' for size in sizes)} |" for one in found),
        f"\nNew groups' reference tiles with p <= {TILE_RATE:g}; {percent(LEARNING)} calibrate, {SPLITS} draws.\n",
        "| colouring | mean | lowest | highest | in the promised range |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in found:
        shares, kept = [split.share for split in one.splits], sum(split.kept for split in one.splits)
        cells = [f"{np.mean(shares):.3f}", f"{min(shares):.3f}", f"{max(shares):.3f}", f"{kept} of {len(shares)}"]
        lines.append(f"| {one.colouring} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
