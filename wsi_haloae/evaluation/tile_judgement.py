"""Labelled tiles scored by a checkpoint and by baselines, and judged in the same way as those of slides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsi_haloae.calibration.reach import why_none
from wsi_haloae.calibration.selection import USUAL
from wsi_haloae.evaluation.comparison import MethodScores
from wsi_haloae.evaluation.discoveries import discovered
from wsi_haloae.evaluation.judgement import Judgement, few_groups, judge
from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.tile_comparison import TileBaselines, haloae_methods, own_baselines, scores_by_rule
from wsi_haloae.model.checkpoint import CheckpointFacts
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source

WITHOUT_FIT = (
    "Baselines: pooled Mahalanobis alone, because the model keeps its statistics (the rule content). Nearest "
    "neighbours, PCA, CFlow-AD and colour statistics need reference tiles to be fitted on: pass --fit-dir."
)


@dataclass(frozen=True, eq=False)
class JudgedTiles:
    """Labelled tiles, all their scores, the judgement, and what to keep in mind about it."""

    labelled: LabelledSource
    tiles: LabelledTiles
    judgement: Judgement
    warnings: list[str]

    @property
    def methods(self) -> list[MethodScores]:
        """All scores by the names that comparisons of methods use."""
        return [*haloae_methods(self.tiles.rules), *self.tiles.baselines]


def judge_tiles(
    labelled: LabelledSource,
    facts: CheckpointFacts,
    scorer: Scorer,
    baselines: TileBaselines | None,
    reporter: Reporter,
) -> JudgedTiles:
    """Score all tiles and judge them; without ``baselines``, those whose statistics the checkpoint has are compared."""
    source, numbers = labelled.source, np.arange(len(labelled.classes))
    with reporter.track("Scoring", len(numbers), "tiles") as advance:
        found = score_source(scorer, source, numbers, advance)
    rules = scores_by_rule(scorer, found)
    if baselines is None:
        others = own_baselines(rules)
    else:
        with reporter.track("Scoring by the baselines", len(numbers), "tiles") as advance:
            others = baselines.score(source, numbers, advance)
    smallest_p = facts.calibration.smallest_p if facts.calibration else None
    selection = USUAL.select(found.score, found.p_value, smallest_p)
    tiles = LabelledTiles(
        classes=labelled.classes,
        anomalous=labelled.anomalous,
        groups=np.asarray(source.groups),
        rules=rules,
        p_values=found.p_value,
        chosen=np.zeros(len(numbers), bool) if selection is None else selection.chosen,
        discovered=discovered(found.p_value),
        baselines=others,
    )
    noun = "images" if len(set(source.groups)) == len(numbers) else "groups"
    with reporter.timed("figures and their intervals"):
        judgement = judge(tiles, grouped_by=noun, smallest_p=smallest_p, selection=selection)
    said = (few_groups(judgement), why_none(smallest_p), WITHOUT_FIT if baselines is None else None)
    return JudgedTiles(labelled, tiles, judgement, [words for words in said if words])
