"""Configuration: presets, --set, what is refused, and `as_released`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from wsi_haloae.config import (
    AS_RELEASED,
    SLIDE_BASE,
    Config,
    SplitConfig,
    StageConfig,
    load_config,
    merge,
    preset_names,
)
from wsi_haloae.errors import ConfigError


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def value_at(config: Config, path: str) -> Any:
    value: Any = config
    for part in path.split("."):
        value = getattr(value, part)
    return value


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", preset_names("train"))
def test_a_printed_preset_loads_again_as_the_same_configuration(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    assert load_config(written(tmp_path, yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_the_presets_of_the_contract_are_there() -> None:
    named = {"haloae", "haloae-small", "haloae-paper", "haloae-as-released", "haloae-2", "haloae-2-small", "demo"}
    assert named <= set(preset_names("train"))


def test_nothing_given_is_the_default() -> None:
    assert load_config(None) == Config()


def test_the_histology_preset_keeps_the_papers_model() -> None:
    assert load_config("haloae", ["model.autoencoder.start=random"]).model == Config().model


def test_tiles_of_slides_have_defaults_that_the_papers_own_presets_undo() -> None:
    ours = load_config("haloae-small", base=SLIDE_BASE)
    assert (ours.scoring.rule, ours.training.stain_jitter) == ("auto", 0.05)
    for name in ("haloae-paper", "haloae-as-released"):
        theirs = load_config(name, base=SLIDE_BASE)
        assert (theirs.scoring.rule, theirs.scoring.pooling, theirs.training.stain_jitter) == ("custom", "mean", 0)
    assert load_config("haloae-small").scoring.rule == "custom", "images that are no tiles keep the paper's score"


def test_the_released_preset_sets_every_released_value() -> None:
    config = load_config("haloae-as-released")
    for path, value in leaves(AS_RELEASED).items():
        assert value_at(config, path) == value, path
        assert value_at(Config(), path) != value, f"{path} is no deviation"


def test_the_released_values_are_those_that_the_specification_names() -> None:
    assert {
        "model.attention.mask",
        "model.features.alignment",
        "model.map_size",
        "model.image_decoder.final_relu",
        "model.classifier.logits",
        "loss.ssim",
        "ews.schedule",
    } <= set(leaves(AS_RELEASED))


@pytest.mark.parametrize("path", leaves(AS_RELEASED))
def test_each_released_value_can_be_taken_back_alone(path: str) -> None:
    corrected = value_at(Config(), path)
    config = load_config("haloae-as-released", [f"{path}={'null' if corrected is None else corrected}"])
    assert value_at(config, path) == corrected
    for other, value in leaves(AS_RELEASED).items():
        if other != path:
            assert value_at(config, other) == value, other


@pytest.mark.parametrize("path", leaves(AS_RELEASED))
def test_each_released_value_can_be_set_alone(path: str) -> None:
    config = load_config(None, [f"{path}={leaves(AS_RELEASED)[path]}"])
    changed = {other for other in leaves(AS_RELEASED) if value_at(config, other) != value_at(Config(), other)}
    assert changed == {path}


@pytest.mark.parametrize("value", ["false", "no", 1, "true"])
def test_as_released_is_a_boolean_and_nothing_like_it(value: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="as_released"):
        load_config(written(tmp_path, yaml.safe_dump({"as_released": value})))


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("training.steps=200", "training.steps", 200),
        ("training.learning_rate=1e-3", "training.learning_rate", 1e-3),
        ("training.steps_per_epoch=null", "training.steps_per_epoch", None),
        ("model.features.standardise=false", "model.features.standardise", False),
        ("model.image_decoder.widths=[8, 4]", "model.image_decoder.widths", (8, 4)),
        ("model.features.backbone=random", "model.features.backbone", "random"),
    ],
)
def test_set_changes_one_value_and_keeps_its_neighbours(setting: str, path: str, value: object) -> None:
    config = load_config("haloae-small", [setting])
    assert value_at(config, path) == value
    section, _, _ = path.rpartition(".")
    siblings = value_at(config, section).model_dump(exclude={path.rpartition(".")[2]})
    assert siblings == value_at(load_config("haloae-small"), section).model_dump(exclude={path.rpartition(".")[2]})


def test_a_later_set_wins() -> None:
    assert load_config(None, ["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training.stepz=3", "did you mean training.steps?"),
        ("model.atention.block_size=3", "did you mean model.attention?"),
        ("trainng.steps=3", "did you mean training?"),
        ("loss.sim=released", "did you mean loss.ssim?"),
        ("zzz=1", "known settings: as_released"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(setting: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(None, [setting])


@pytest.mark.parametrize(
    "setting",
    [
        "training.steps",  # no value
        "=3",
        "training.steps=[",
        "training.seed=2024-99-99",  # PyYAML itself raises ValueError here
        "training.seed=" + "[" * 1200,
        "training.seed=" + "9" * 5000,
        "training.steps=0",
        "training.steps=many",
        "training.learning_rate=.nan",
        "training=3",
        "training.steps.more=3",
        "model.attention.mask=wrong",
        "model.classifier.logits=3",
        "model.image_decoder.widths=[0]",
        "model.autoencoder.head_kernel=4",
        "model.autoencoder.encoder=[]",
        "model.autoencoder.decoder=[{mid: 4, out: 4, heads: 1, kernel: 1}]",
        "split.validation=0.5",
    ],
)
def test_a_setting_that_cannot_be_used_is_a_configuration_error(setting: str) -> None:
    with pytest.raises(ConfigError):
        load_config(None, [setting])


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, ["training.steps=0", "training.seed=-1"])
    assert "training.steps" in str(caught.value)
    assert "training.seed" in str(caught.value)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    "text",
    [
        "training: {steps: &a [*a]}",
        BOMB + "training: {steps: *a29}",
        "a: &a {k: v}\nb: &b {<<: [*a, *a]}\ntraining: {<<: [*b, *b]}",
        "[" * 1200,
        "- training",
        "training: steps",
        "just words",
        "training: {steps: 2024-99-99}",
        "\x00",
        "1: 2",
        "? [1]\n: 2",
        "!!python/object/apply:os.system [exit]",
    ],
)
def test_a_hostile_or_broken_file_is_a_configuration_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert len(str(caught.value)) < 3000


def test_a_long_wrong_value_is_told_short() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [f"training.steps={list(range(9999))}"])
    assert len(str(caught.value)) < 300


def test_a_file_that_is_no_text_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(str(tmp_path / "config.yaml"))


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "# nothing\n")) == Config()


def test_a_name_that_is_no_preset_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no such preset; did you mean haloae-small\? Models: demo, haloae,"):
        load_config("haloe-small")
    with pytest.raises(ConfigError, match=r"no such preset\. Models: demo, haloae,"):
        load_config("model.yaml")


def test_merge_changes_neither_of_its_arguments() -> None:
    base, over = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 1}}
    assert merge(base, over) == {"a": {"b": 9, "c": 2}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert over == {"a": {"b": 9}, "d": {"e": 1}}


def numbers(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Settings that are a number."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from numbers(field.annotation, f"{prefix}{name}.")
        elif is_number(field.annotation):
            yield f"{prefix}{name}"


def is_number(annotation: Any) -> bool:
    inner = () if get_origin(annotation) is tuple else get_args(annotation)
    return annotation is int or annotation is float or any(is_number(one) for one in inner)


@pytest.mark.parametrize("huge", ["1000000000000000000000000000000", "1.0e+30", ".inf", ".nan", "-1.0e+30"])
def test_no_number_is_as_large_as_one_likes(huge: str) -> None:
    """Sizes of layers, steps, lengths: whatever is too large to be meant is refused before anything is made of it."""
    settings = set(numbers(Config))
    assert {"model.autoencoder.head_width", "training.steps", "tissue.smoothing", "split.validation"} < settings
    for name in settings:
        with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
            load_config(None, [f"{name}={huge}"])


@pytest.mark.parametrize("stage", [{"mid": 10**8}, {"out": 10**8}, {"heads": 10**8}, {"kernel": 10**8 + 1}])
def test_no_stage_is_as_wide_as_one_likes(stage: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        StageConfig.model_validate({"mid": 8, "out": 8, "heads": 1, "kernel": 3, **stage})


def test_settings_by_their_names_of_version_0_2_are_known(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("split: {select: 0.2, calibrate: 0.1}\ntraining: {select_tiles: 7}\n")
    config = load_config(str(path), ["split.calibrate=0.12"])
    assert config.split == SplitConfig(validation=0.2, calibration=0.12)
    assert config.training.validation_tiles == 7
    with pytest.raises(ConfigError, match="training: "):
        load_config(None, ["training=7"])
