"""The table of rules: every row is whole, its order is that of stores, and what derives from it agrees."""

from __future__ import annotations

import re
from graphlib import CycleError
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import torch
import yaml

from docs.list_rules import PAGE, with_rule_list
from tests.model.tiny import TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.config import (
    AUTO,
    CUSTOM,
    MVTEC_BASE,
    RULES,
    Config,
    Rule,
    ScoringConfig,
    load_config,
    rule_words,
    statistics_of,
)
from wsi_haloae.errors import ConfigError
from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec
from wsi_haloae.scoring.image_scorer import image_residuals, score_residuals
from wsi_haloae.scoring.learning import learner_of, rounds
from wsi_haloae.scoring.scorer import Scorer

CPU = torch.device("cpu")
IN_STORES = [
    "tissue", "signed", "absolute", "ssim", "ssim_p95", "p95", "max", "layers", "layers_ssim", "structure", "profile",
    "content", "combined",
]  # fmt: skip


def test_the_columns_of_stores_stay_where_they_are() -> None:
    """A store that is half scored goes on with these; new rules come behind them."""
    stored = [name for name, rule in RULES.items() if rule.in_stores]
    assert stored[: len(IN_STORES)] == IN_STORES


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_row_names_code_that_is_there_and_rules_that_are_there(rule: Rule) -> None:
    assert all(callable(resolve_name(place)) for place in (rule.numbers, rule.shows, rule.learner) if place)
    assert set(rule.after) <= RULES.keys()
    assert rule.numbers or rule.learner or not rule.taught_by, "a pooled map is one number, and is not learned"
    assert not rule.learner or (rule.shows and rule.taught_by), "what cells teach is for a map"
    assert rule.taught_by or not rule.one_sided, "an excess is over what tiles have taught"
    assert statistics_of(rule.name) <= {name for name, one in RULES.items() if one.taught_by}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_scores_tiles_and_shows_a_map(rule: Rule) -> None:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule=rule.name)})
    found = Scorer(checkpoint.with_facts(config=config), CPU, 3).score(MemorySource(3).tiles, keep_maps=True)
    assert np.isfinite(found.score).all()
    assert found.score.std() > 0
    assert found.anomaly_map.shape == (3, TILE // 4, TILE // 4)
    assert np.isfinite(found.anomaly_map).all()


def test_words_tell_rules_apart() -> None:
    said = [rule_words(ScoringConfig(rule=name)) for name, rule in RULES.items() if rule.name != CUSTOM]
    assert len({*said}) == len(said)
    assert not any("{" in words for words in said)


def test_rules_are_learned_in_one_pass_per_part_after_those_they_build_on() -> None:
    learned: set[str] = set()
    for rules in rounds(AUTO):
        assert len({rule.taught_by for rule in rules}) == 1, "one pass over one part of the tiles"
        assert all(statistics_of(rule.name) - {rule.name} <= learned for rule in rules)
        learned |= {rule.name for rule in rules}
    assert learned == {name for name, one in RULES.items() if one.taught_by and not (one.in_metric or one.asked_only)}
    assert [[rule.name for rule in rules] for rules in rounds(AUTO)] == [
        ["layers", "layers_ssim"], ["profile", "content"], ["combined"],
    ]  # fmt: skip


def test_a_rule_of_blocks_that_others_do_not_run_learns_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    doubt = Rule("doubt", "", numbers="tests.scoring.made_up_rule:doubt", taught_by="train", trained_by="cls")
    monkeypatch.setitem(RULES, "doubt", doubt)
    assert not any(doubt in rules for rules in rounds(AUTO))
    assert sum(doubt in rules for rules in rounds("doubt")) == 1
    checkpoint = tiny_checkpoint()
    assert "doubt" not in Scorer(checkpoint, CPU, 3).rules
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule="doubt")})
    named = checkpoint.with_facts(config=config)
    learner = learner_of(doubt, named.facts.config.scoring)
    Scorer(named, CPU, 4).teach([learner], MemorySource(3).tiles)
    assert learner.learned().mean.shape == (1,)
    with pytest.raises(ValueError, match=r"loss\.cls is false, so the doubt would never be trained"):
        Config.model_validate({"scoring": {"rule": "doubt"}, "loss": {"cls": False}})


def test_rules_that_build_on_each_other_in_a_circle_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "one", Rule("one", "", taught_by="train", after=("other",)))
    monkeypatch.setitem(RULES, "other", Rule("other", "", taught_by="train", after=("one",)))
    with pytest.raises(CycleError):
        rounds(AUTO)


@pytest.mark.parametrize(("given", "told"), [("combned", "did you mean combined?"), ("zzz", "known rules: auto")])
def test_an_unknown_rule_is_refused_with_a_suggestion(given: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"no such rule; {told}")):
        load_config(None, [f"scoring.rule={given}"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["rule=auto", "pooling=mean"], "scoring.pooling was given, but rule auto does not use it"),
        (["rule=combined", "source=features"], "scoring.source was given, but rule combined"),
        (["rule=tissue", "normalisation=signed"], "scoring.normalisation was given, but rule tissue"),
        (["rule=p95", "smooth=true"], "scoring.smooth was given, but rule p95"),
        (["rule=layers", "pooling=p95"], "scoring.pooling was given, but rule layers"),
        (["pooling=combined"], "scoring.pooling combined was given, but combined is a rule; set scoring.rule=combined"),
        (["pooling=auto"], "auto is a rule; set scoring.rule=auto"),
    ],
)
def test_a_setting_that_the_rule_does_not_use_is_refused(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(None, [f"scoring.{setting}" for setting in settings])


@pytest.mark.parametrize(
    "settings",
    [
        ["rule=custom", "source=image", "residual=mse", "normalisation=signed", "smooth=false", "pooling=p95"],
        ["rule=layers", "source=image", "normalisation=none", "smooth=false"],
        ["rule=combined", "smooth=false", "residual=ssim", "glass_level=null"],
        ["rule=auto", "smooth=false"],
        ["rule=p95"],
    ],
)
def test_settings_that_the_rule_uses_are_kept_and_can_be_read_again(settings: list[str]) -> None:
    config = load_config(None, [f"scoring.{setting}" for setting in settings])
    written = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    for setting in settings:
        name, _, value = setting.partition("=")
        assert written["scoring"][name] == yaml.safe_load(value)
    assert Config.model_validate(written) == config


@pytest.mark.parametrize("name", [AUTO, *(name for name, rule in RULES.items() if not rule.for_images), "ssim"])
def test_images_are_refused_for_rules_that_need_tiles(name: str, tmp_path: Path) -> None:
    config = load_config("demo", [f"scoring.rule={name}"], base=MVTEC_BASE)
    options = MvtecOptions(device="cpu")
    with pytest.raises(ConfigError, match=f"scoring.rule {name} was given; labelled images .* by paper, .*custom"):
        run_mvtec([], tmp_path, config, options, {}, None)


@pytest.mark.parametrize("name", [name for name in RULES if ScoringConfig(rule=name).for_images])
def test_images_are_scored_by_every_other_rule(name: str) -> None:
    """By numbers of the rule's own as tiles are, else from the finished map, over all cells."""
    checkpoint, tiles = tiny_checkpoint(), MemorySource(3).tiles
    scoring = ScoringConfig(rule=name, glass_level=None)
    checkpoint = checkpoint.with_facts(config=checkpoint.facts.config.model_copy(update={"scoring": scoring}))
    found = score_residuals(image_residuals(checkpoint, [tiles[:2], tiles[2:]], CPU, lambda _: None), checkpoint)
    as_tiles = Scorer(checkpoint, CPU, 3).score(tiles, keep_maps=True)
    np.testing.assert_allclose(found.maps, as_tiles.anomaly_map, rtol=1e-3, atol=1e-5)
    how = scoring.by(RULES[name])
    pooled = {
        "mean": found.maps.mean(dim=(1, 2)),
        "max": found.maps.amax(dim=(1, 2)),
        "p95": found.maps.flatten(1).quantile(0.95, dim=1),
    }[how.pooling]
    expected = as_tiles.score if RULES[name].numbers else pooled
    np.testing.assert_allclose(found.score, expected, rtol=1e-4)


def test_the_documentation_lists_the_rules_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_rule_list(page), "write it anew: python docs/list_rules.py"
