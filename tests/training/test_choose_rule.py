"""`scoring.rule: auto`: the better marked candidate makes the score, and nothing but validation tiles is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.config import candidates
from wsi_haloae.errors import CheckpointError
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS
from wsi_haloae.training import choose_rule as choosing
from wsi_haloae.training.calibrate import calibrate
from wsi_haloae.training.descriptors import Spreads, measure_spreads
from wsi_haloae.training.split import Split
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

CPU = torch.device("cpu")
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


def areas_by_hand(usual: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How often a synthetic anomaly scores above a usual tile, pair by pair: scores (n, rules) -> (rules,)."""
    above = (others[:, None] > usual[None]) + 0.5 * (others[:, None] == usual[None])  # (n, n, rules)
    return above.mean(axis=(0, 1))


def marks_by_hand(checkpoint: Checkpoint, source: MemorySource, tiles: np.ndarray) -> dict[str, float]:
    """The worst kind of synthetic anomaly against tiles of which each has other imaging."""
    scorer = Scorer(choosing._scoring_by(checkpoint, "combined"), CPU, 4)

    def scores(images: list[np.ndarray]) -> np.ndarray:
        found = scorer.score(np.stack(images))
        unknown = checkpoint.descriptors.reference.metric.unknown
        return np.column_stack([found.rules, unknown.distance(found.descriptor)])

    plain = [source.read(int(number)) for number in tiles]
    changes = list(PERTURBATIONS.values())
    usual = scores([changes[number % len(changes)](tile) for number, tile in enumerate(plain)])
    areas = []
    for kind, change in enumerate(SYNTHETIC_ANOMALIES.values()):
        seeds = [(checkpoint.facts.config.training.seed, 4, kind, number) for number in range(len(tiles))]
        others = [change(tile, np.random.default_rng(seed)) for tile, seed in zip(plain, seeds, strict=True)]
        areas.append(areas_by_hand(usual, scores(others)))
    names = [*scorer.rules, "descriptor"]
    worst = dict(zip(names, np.min(areas, axis=0).tolist(), strict=True))
    return {name: worst[name] for name in candidates()}


def measured(source: MemorySource) -> tuple[Basis, Spreads]:
    return measure_spreads(asking(), source, PARTS["train"], CPU, lambda _count: None)


def test_marks_are_those_of_the_definition_and_only_validation_tiles_are_read() -> None:
    source, checkpoint = Watched(40), asking()
    spreads = measured(MemorySource(40))
    chosen = choosing.choose_rule(checkpoint, source, PARTS["validation"], spreads, CPU, lambda _count: None)
    expected = marks_by_hand(chosen, MemorySource(40), PARTS["validation"])
    assert chosen.facts.rule_marks == pytest.approx(expected)
    assert set(source.asked) == set(PARTS["validation"].tolist()), "calibration tiles stay unseen"


@pytest.mark.parametrize(
    ("descriptor", "combined", "content", "chosen"),
    [
        (0.9, 0.8, 0.8, "descriptor"),
        (0.9, 0.915, 0.8, "descriptor"),  # a toss-up
        (0.9, 0.93, 0.92, "combined"),
        (0.8, 0.85, 0.9, "content"),
    ],
)
def test_a_rule_must_be_better_by_a_margin(
    descriptor: float, combined: float, content: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"descriptor": descriptor, "combined": combined, "content": content}
    spreads = measured(MemorySource(40))
    monkeypatch.setattr(
        choosing, "_marks", lambda scores: told if "descriptor" in scores else dict.fromkeys(scores, 0.5)
    )
    found = choosing.choose_rule(asking(), MemorySource(40), PARTS["validation"], spreads, CPU, lambda _count: None)
    assert found.facts.config.scoring.rule == chosen
    assert found.facts.rule_marks == told
    assert chosen in choosing.describe_choice(found.facts.rule_marks, chosen)


def test_the_weight_with_the_best_mark_makes_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    spreads = measured(MemorySource(40))
    plain = choosing._marks

    def marks(scores: dict[str, np.ndarray]) -> dict[str, float]:
        return plain(scores) if "descriptor" in scores else {weight: float(weight == "10") for weight in scores}

    monkeypatch.setattr(choosing, "_marks", marks)
    found = choosing.choose_rule(asking(), MemorySource(40), PARTS["validation"], spreads, CPU, lambda _count: None)
    across = found.descriptors.reference.metric.across
    np.testing.assert_allclose(across, spreads[1].metric(10).across, rtol=1e-5)


def test_calibration_chooses_and_p_values_are_those_of_the_chosen_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = MemorySource(40)
    groups = [str(number // 2) for number in range(40)]
    split = Split(PARTS, {})
    done = calibrate(asking(), source, split, groups, CPU, Reporter())
    rule = done.facts.config.scoring.rule
    assert f"score: {rule}" in capsys.readouterr().err
    scores = Scorer(done, CPU, 4).score(np.stack([source.read(int(number)) for number in PARTS["calibration"]]))
    named = Scorer(done, CPU, 4).rules.index(rule)
    np.testing.assert_allclose(scores.score, scores.rules[:, named])
    if rule != "descriptor":
        np.testing.assert_allclose(np.sort(scores.score), np.sort(done.calibration.scores), rtol=1e-5)
    else:  # which learns nothing from validation tiles
        assert np.isin(scores.score.round(4), done.calibration.scores.round(4)).all()
        assert len(done.calibration.scores) == len(PARTS["validation"]) + len(PARTS["calibration"])
    done.save(tmp_path / "m.safetensors")
    assert Checkpoint.load(tmp_path / "m.safetensors").facts == done.facts


def test_a_checkpoint_that_was_never_calibrated_does_not_score(tmp_path: Path) -> None:
    asking().save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="never calibrated"):
        Checkpoint.load(tmp_path / "m.safetensors")


def test_a_rule_that_the_configuration_names_is_not_asked_about() -> None:
    named = choosing._scoring_by(asking(), "structure")
    done = calibrate(named, MemorySource(40), Split(PARTS, {}), [str(n // 2) for n in range(40)], CPU, Reporter())
    assert (done.facts.config.scoring.rule, done.facts.rule_marks) == ("structure", None)
