"""Methods side by side: intervals by groups, paired differences, and the no-model rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.comparison import MethodScores, compare_methods
from wsi_haloae.evaluation.comparison_table import markdown_comparison, verdict, write_comparison
from wsi_haloae.evaluation.tile_statistics import STATISTICS, statistic_scores, tile_statistics

RANDOM = np.random.default_rng(0)
GROUPS = np.repeat([f"p{number}" for number in range(20)], 8)
ANOMALOUS = np.arange(160) % 2 == 1
GOOD = ANOMALOUS * 1.5 + RANDOM.normal(size=160)


@pytest.mark.parametrize("scores", [GOOD, GOOD.round(), np.zeros(160)])
def test_draws_are_those_of_whole_groups_repeated(scores: np.ndarray) -> None:
    bootstrap = ClusterBootstrap(ANOMALOUS, GROUPS, draws=5)
    names = np.unique(GROUPS)
    areas, precisions = bootstrap.auroc(scores), bootstrap.average_precision(scores)
    for counts, area, precision in zip(bootstrap.counts, areas, precisions, strict=True):
        repeated = np.concatenate([np.flatnonzero(names[group] == GROUPS) for group in np.repeat(range(20), counts)])
        assert area == pytest.approx(roc_auc_score(ANOMALOUS[repeated], scores[repeated]))
        assert precision == pytest.approx(average_precision_score(ANOMALOUS[repeated], scores[repeated]))


def test_many_tiles_are_weighed_a_few_draws_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ClusterBootstrap(ANOMALOUS, GROUPS, draws=7).auroc(GOOD)
    monkeypatch.setattr("wsi_haloae.evaluation.cluster_bootstrap.CHUNK", 3 * 160)
    np.testing.assert_array_equal(ClusterBootstrap(ANOMALOUS, GROUPS, draws=7).auroc(GOOD), whole)


def test_copies_of_tiles_do_not_narrow_the_interval() -> None:
    once = ClusterBootstrap(ANOMALOUS, GROUPS).auroc(GOOD)
    copied = ClusterBootstrap(np.repeat(ANOMALOUS, 9), np.repeat(GROUPS, 9)).auroc(np.repeat(GOOD, 9))
    np.testing.assert_allclose(once, copied)


def test_every_draw_holds_both_classes() -> None:
    groups = np.array(["a", "a", "b", "b", "c"])
    bootstrap = ClusterBootstrap(np.array([True, True, False, False, False]), groups, draws=200)
    assert np.isfinite(bootstrap.auroc(np.array([3.0, 2, 1, 0, 4]))).all()


def test_labels_that_leave_no_draw_are_refused() -> None:
    with pytest.raises(UsageError, match="more groups"):
        ClusterBootstrap(np.array([True, True]), np.array(["a", "b"]), draws=3)


def test_methods_keep_their_order_and_are_compared_with_the_best_baseline() -> None:
    methods = [
        MethodScores("ours", "HaloAE", GOOD + 0.01),
        MethodScores("weak", "baseline", RANDOM.normal(size=160)),
        MethodScores("strong", "baseline", GOOD),
        MethodScores("red", "no model", -GOOD),
    ]
    ours, weak, strong, red = compare_methods(methods, ANOMALOUS, GROUPS)
    assert (ours.name, red.kind) == ("ours", "no model")
    assert ours.auroc == pytest.approx(roc_auc_score(ANOMALOUS, GOOD))
    assert red.auroc == pytest.approx(1 - ours.auroc), "never flipped"
    assert (ours.against_best.low, ours.against_best.high) == (0, 0), "the same draws for both"
    assert strong.against_best is None
    assert weak.against_best.high < 0
    assert ours.auroc_interval.low < ours.auroc < ours.auroc_interval.high
    assert 0.5 < ours.average_precision_interval.low < ours.average_precision < 1


def test_statistics_are_those_of_pixels() -> None:
    tile = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    found = dict(zip(STATISTICS, tile_statistics(tile), strict=True))
    grey = tile.mean(axis=2).ravel()
    assert found["mean green"] == pytest.approx(tile[..., 1].mean())
    assert found["deviation blue"] == pytest.approx(tile[..., 2].std())
    assert found["skewness"] == pytest.approx(((grey - grey.mean()) ** 3).mean() / grey.std() ** 3)
    assert tile_statistics(np.full((4, 4, 3), 7, np.uint8))[6] == 0


def test_statistics_score_by_their_distance_from_training_on_either_side() -> None:
    train = RANDOM.normal(size=(50, 7))
    tested = np.tile(train.mean(axis=0), (3, 1))
    tested[1, 0] += 9
    tested[2, 0] -= 9
    scores = statistic_scores(train, tested)
    np.testing.assert_allclose(scores["mean red"], [0, 9, 9])
    np.testing.assert_allclose(scores["skewness"], 0)
    assert scores["colour statistics"][1:].min() > 5


@pytest.mark.parametrize(
    ("ours", "words"),
    [(GOOD * 0 + ANOMALOUS, "is ahead of"), (-GOOD, "is behind"), (GOOD + 1e-9, "cannot be distinguished from")],
)
def test_the_verdict_says_on_which_side_of_the_best_baseline_the_score_is(
    ours: np.ndarray, words: str, tmp_path: Path
) -> None:
    methods = [MethodScores("score", "HaloAE", ours), MethodScores("plain", "baseline", GOOD)]
    compared = compare_methods(methods, ANOMALOUS, GROUPS)
    assert words in verdict(compared, "score")
    assert "plain" in verdict(compared, "score")
    table = markdown_comparison(compared).splitlines()
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    write_comparison(tmp_path / "picture.png", compared, "title")
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) > 100


@pytest.mark.parametrize("groups", [np.full(160, "p"), np.where(ANOMALOUS, "p", "q")])
def test_one_group_of_a_class_has_no_interval(groups: np.ndarray, tmp_path: Path) -> None:
    methods = [MethodScores("score", "HaloAE", -GOOD), MethodScores("plain", "baseline", GOOD)]
    compared = compare_methods(methods, ANOMALOUS, groups)
    assert [(one.auroc_interval, one.against_best) for one in compared] == [(None, None)] * 2
    said = verdict(compared, "score")
    assert "beside the best baseline, plain" in said
    assert said.endswith("(no interval: too few groups)")
    assert all(line.count("| - |") for line in markdown_comparison(compared).splitlines()[2:])
    write_comparison(tmp_path / "picture.png", compared, "title")
