"""`scoring.rule: auto`: the better marked candidate makes the score, and nothing but validation tiles is asked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_checkpoint
from tests.training.test_leads import mark_by_hand
from tests.training.tiles import MemorySource
from wsi_haloae.adaptation.standpoint import calibration_scores
from wsi_haloae.config import candidates
from wsi_haloae.errors import CheckpointError
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS
from wsi_haloae.training import choose_rule as choosing
from wsi_haloae.training.calibrate import afterwards, calibrate
from wsi_haloae.training.descriptors import CrossFitted, cross_fit
from wsi_haloae.training.leads import Lead, Marks
from wsi_haloae.training.moments import measure_moments
from wsi_haloae.training.split import Split
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

CPU = torch.device("cpu")
MEAN_MAP = 8
"""Tiles that the mean map is measured on before (training.statistics_tiles)."""
PARTS = {"train": np.arange(16), "validation": np.arange(16, 26), "calibration": np.arange(26, 40)}


def asking() -> Checkpoint:
    """A checkpoint that leaves the choice to the tiles."""
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": "auto"})
    facts = checkpoint.facts.model_copy(
        update={"config": config.model_copy(update={"scoring": scoring}), "calibration": None}
    )
    return replace(checkpoint, facts=facts, calibration=None)


class Watched(MemorySource):
    """Notes which tiles were read."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.asked: list[int] = []

    def read(self, number: int) -> np.ndarray:
        self.asked.append(number)
        return super().read(number)


GROUPS = np.array([str(number // 2) for number in range(40)])


@pytest.fixture(scope="module")
def learned() -> CrossFitted:
    return cross_fit(measure_moments(asking(), MemorySource(40), GROUPS, CPU, lambda _count: None), seed=0)


def marks_by_hand(checkpoint: Checkpoint, learned: CrossFitted, source: MemorySource) -> dict[str, float]:
    """The worst kind of synthetic anomaly against tiles of which each has other imaging, in other groups."""
    tiles = PARTS["validation"]
    scorer = Scorer(choosing._scoring_by(checkpoint, "combined"), CPU, 4)
    own = GROUPS[tiles]

    def scores(images: list[np.ndarray]) -> dict[str, np.ndarray]:
        pixels = np.stack(images)
        moments = np.concatenate([scorer.moments(pixels[start : start + 4]) for start in range(0, len(pixels), 4)])
        found = dict(zip(scorer.rules, scorer.score(pixels).rules.T, strict=True))
        folds = [learned.without[learned.fold_of[group]] for group in own]
        unknown = [fold.metric(1.0).unknown.distance(fold.describe(moments[n : n + 1])) for n, fold in enumerate(folds)]
        return found | {"descriptor": np.concatenate(unknown)}

    plain = [source.read(int(number)) for number in tiles]
    changes = list(PERTURBATIONS.values())
    usual = scores([changes[number % len(changes)](tile) for number, tile in enumerate(plain)])
    kinds = []
    for kind, change in enumerate(SYNTHETIC_ANOMALIES.values()):
        seeds = [(checkpoint.facts.config.training.seed, 4, kind, number) for number in range(len(tiles))]
        kinds.append(
            scores([change(tile, np.random.default_rng(seed)) for tile, seed in zip(plain, seeds, strict=True)])
        )
    return {name: mark_by_hand(usual[name], [kind[name] for kind in kinds], own) for name in candidates()}


def chosen_on(source: MemorySource, learned: CrossFitted) -> tuple[Checkpoint, choosing.Choice]:
    return choosing.choose_rule(asking(), source, PARTS["validation"], GROUPS, learned, CPU, lambda _count: None)


def test_marks_are_those_of_the_definition_and_only_validation_tiles_are_read(learned: CrossFitted) -> None:
    source = Watched(40)
    chosen, choice = chosen_on(source, learned)
    assert chosen.facts.rule_marks == pytest.approx(marks_by_hand(chosen, learned, MemorySource(40)), abs=1e-6)
    assert choice.marks == chosen.facts.rule_marks
    assert set(source.asked) == set(PARTS["validation"].tolist()), "calibration tiles stay unseen"


def lead(by: float, low: float) -> Lead:
    return Lead(by, Interval(low, by + 0.1))


@pytest.mark.parametrize(
    ("leads", "chosen", "said"),
    [
        (
            {"combined": lead(-0.1, -0.2), "content": lead(-0.2, -0.3)},
            "descriptor",
            "No other rule leads the usual one",
        ),
        (
            {"combined": lead(0.1, -0.02), "content": lead(0.01, 0.001)},
            "descriptor",
            "combined leads by +0.100 (-0.020 to +0.200 over groups): a toss-up",
        ),
        ({"combined": lead(0.1, 0.05), "content": lead(0.05, 0.01)}, "combined", "combined leads by +0.100"),
        ({"combined": lead(0.1, 0.05), "content": lead(0.2, 0.01)}, "content", "content leads by +0.200"),
        ({}, "descriptor", "of 5 groups are too few to choose by (at least 32 tiles of"),
    ],
)
def test_a_rule_is_used_that_surely_leads(
    leads: dict[str, Lead], chosen: str, said: str, learned: CrossFitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marks, "leads", lambda _self, usual: leads if usual == "descriptor" else {})
    found, choice = chosen_on(MemorySource(40), learned)
    assert found.facts.config.scoring.rule == choice.rule == chosen
    assert f"score: {chosen}" in choice.describe()
    assert said in choice.describe()


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (
            {"descriptor": 0.391, "combined": 0.078},
            ["the mark of descriptor, 0.391, is below 0.5", "wsi-haloae evaluate"],
        ),
        ({"descriptor": 0.391, "combined": 0.83}, ["'scoring.rule=combined' has the mark 0.830."]),
        ({"descriptor": 0.5, "combined": 0.078}, None),
    ],
)
def test_a_chosen_rule_below_chance_is_a_warning(marks: dict[str, float], said: list[str] | None) -> None:
    choice = choosing.Choice("descriptor", marks, {}, tiles=18, groups=2)
    assert "18 held-out tiles of 2 blocks are too few" in choice.describe("block")
    if said is None:
        assert choice.warning is None
    else:
        assert all(words in (choice.warning or "") for words in said)


def test_the_weight_that_surely_leads_makes_the_metric(learned: CrossFitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marks, "leads", lambda _self, usual: {} if usual == "descriptor" else {"10": lead(0.1, 0.05)})
    found, _ = chosen_on(MemorySource(40), learned)
    across = found.descriptors.reference.metric.across
    np.testing.assert_allclose(across, learned.whole.metric(10).across, rtol=1e-5)


def looked_at(said: str) -> dict[str, int]:
    """Tiles that each stage of `calibrate` looked at, by the first word of the stage."""
    return {stage: int(count) for stage, count in re.findall(r"^(\w+).*: (\d+)/\2 tiles", said, re.MULTILINE)}


def test_calibration_chooses_and_p_values_are_those_of_the_chosen_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = MemorySource(40)
    done = calibrate(asking(), source, Split(PARTS, {}), GROUPS.tolist(), CPU, Reporter())
    rule = done.facts.config.scoring.rule
    said = capsys.readouterr().err
    assert f"score: {rule}" in said
    found = looked_at(said)
    expected = afterwards(asking().facts.config, source, Split(PARTS, {}), GROUPS.tolist())
    choosing_half = found["Choosing"] // 2  # each tile is described, then scored
    assert expected.described == found["Describing"] + choosing_half
    assert expected.scored == found["Learning"] + choosing_half + found["Measuring"] + MEAN_MAP
    scores = Scorer(done, CPU, 4).score(np.stack([source.read(int(number)) for number in PARTS["calibration"]]))
    named = Scorer(done, CPU, 4).rules.index(rule)
    np.testing.assert_allclose(scores.score, scores.rules[:, named])
    if rule != "descriptor":
        np.testing.assert_allclose(np.sort(scores.score), np.sort(done.calibration.scores), rtol=1e-5)
    else:  # all tiles calibrate it, each scored by what other groups taught
        expected, _ = calibration_scores(done.descriptors.reference, "none", 0)
        np.testing.assert_allclose(np.sort(expected), done.calibration.scores)
        assert len(expected) == 40
    done.save(tmp_path / "m.safetensors")
    assert Checkpoint.load(tmp_path / "m.safetensors").facts == done.facts


def test_a_checkpoint_that_was_never_calibrated_does_not_score(tmp_path: Path) -> None:
    asking().save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="never calibrated"):
        Checkpoint.load(tmp_path / "m.safetensors")


def test_a_rule_that_the_configuration_names_is_not_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    named = choosing._scoring_by(asking(), "structure")
    done = calibrate(named, MemorySource(40), Split(PARTS, {}), GROUPS.tolist(), CPU, Reporter())
    found = looked_at(capsys.readouterr().err)
    expected = afterwards(named.facts.config, MemorySource(40), Split(PARTS, {}), GROUPS.tolist())
    assert expected.described == found["Describing"]
    assert expected.scored == found["Learning"] + found["Calibrating"] + found["Measuring"] + MEAN_MAP
    assert (done.facts.config.scoring.rule, done.facts.rule_marks) == ("structure", None)


@pytest.mark.parametrize(("mark", "said"), [(0.7, "0.5 is chance\n"), (0.3, "0.5 is chance; below 0.5, another stain")])
def test_a_mark_below_chance_is_explained_where_there_is_one(mark: float, said: str) -> None:
    assert said in choosing.Choice("descriptor", {"descriptor": 0.8, "content": mark}, {}, 10, 5).describe()
