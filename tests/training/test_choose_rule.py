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
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.training import choose_rule as choosing
from wsi_haloae.training.calibrate import calibrate
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


def told_by_hand(checkpoint: Checkpoint, source: MemorySource, tiles: np.ndarray) -> dict[str, float]:
    """Marks pair by pair: how often a synthetic anomaly scores above an unchanged tile, in the worst kind."""
    scorer = Scorer(choosing._scoring_by(checkpoint, "combined"), CPU, 4)

    def rules(images: list[np.ndarray]) -> np.ndarray:
        return scorer.score(np.stack(images)).rules

    usual = rules([source.read(int(number)) for number in tiles])
    areas = []
    for kind, change in enumerate(SYNTHETIC_ANOMALIES.values()):
        seeds = [(checkpoint.facts.config.training.seed, 4, kind, number) for number in range(len(tiles))]
        others = rules(
            [
                change(source.read(int(number)), np.random.default_rng(seed))
                for number, seed in zip(tiles, seeds, strict=True)
            ]
        )
        above = (others[:, None] > usual[None]) + 0.5 * (others[:, None] == usual[None])  # (n, n, rules)
        areas.append(above.mean(axis=(0, 1)))
    worst = dict(zip(scorer.rules, np.min(areas, axis=0).tolist(), strict=True))
    return {name: worst[name] for name in candidates()}


def test_marks_are_those_of_the_definition_and_the_better_one_scores() -> None:
    source, checkpoint = Watched(40), asking()
    chosen = choosing.choose_rule(checkpoint, source, PARTS["validation"], CPU, lambda _count: None)
    expected = told_by_hand(checkpoint, MemorySource(40), PARTS["validation"])
    assert chosen.facts.rule_marks == pytest.approx(expected)
    assert chosen.facts.config.scoring.rule == max(expected, key=expected.__getitem__)
    assert set(source.asked) == set(PARTS["validation"].tolist()), "calibration tiles stay unseen"


@pytest.mark.parametrize(
    ("combined", "content", "chosen"), [(0.9, 0.8, "combined"), (0.8, 0.9, "content"), (0.9, 0.9, "combined")]
)
def test_the_auto_encoder_is_left_out_only_where_it_does_harm(
    combined: float, content: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "first": {"combined": combined, "content": content, "max": 1.0},
        "second": dict.fromkeys(("combined", "content", "max"), 1.0),
    }
    monkeypatch.setattr(choosing, "synthetic_anomaly_auroc", lambda *_given: told)
    found = choosing.choose_rule(asking(), MemorySource(40), PARTS["validation"], CPU, lambda _count: None)
    assert found.facts.config.scoring.rule == chosen
    assert found.facts.rule_marks == {"combined": combined, "content": content}
    assert chosen in choosing.describe_choice(found.facts.rule_marks, chosen)
    assert ("left out" in choosing.describe_choice(found.facts.rule_marks, chosen)) == (chosen == "content")


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
    np.testing.assert_allclose(np.sort(scores.score), np.sort(done.calibration.scores), rtol=1e-5)
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
