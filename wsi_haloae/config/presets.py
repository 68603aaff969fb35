"""Builds a configuration from a preset's name, YAML files and ``--set``."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from wsi_haloae.bounds.table import CONFIG_BYTES, CONFIG_DEPTH
from wsi_haloae.config.former_names import with_present_names
from wsi_haloae.config.scoring import TissueConfig
from wsi_haloae.config.section import Section
from wsi_haloae.config.shipped import shipped_folder
from wsi_haloae.config.whole import Config, merge
from wsi_haloae.errors import ConfigError
from wsi_haloae.nearest import nearest

AnySection = TypeVar("AnySection", bound=Section)


def preset_folder() -> Path:
    """The folder of presets."""
    return shipped_folder("configs")


_LONG_SETTING = 60
"""Characters from which a message repeats only the key of a setting."""
_NEAR = 0.7
"""How alike a preset's name must be to be proposed: haloe-small is like haloae-small (0.96), model like none."""
KINDS = ("train", "ablation")
"""Folders of presets that ``--config`` can name: whole models (train), and the paper's variations (ablation), which
are applied on top of a model."""
MVTEC_BASE, SLIDE_BASE = "mvtec/images.yaml", "slides/tiles.yaml"
"""Defaults below all other presets: one for training on images, one for training on tiles of slides."""


def preset_names(kind: str) -> list[str]:
    """Names of the presets of one kind (`KINDS`), for ``--config``."""
    return sorted(path.stem for path in (preset_folder() / kind).glob("*.yaml"))


def load_config(names: str | Sequence[str] | None, settings: Iterable[str] = (), *, base: str | None = None) -> Config:
    """Merge presets or YAML files, later ones over earlier ones, then the settings of ``--set section.key=value``.

    ``base`` is a file in the presets' folder that is applied before them all. Raises `ConfigError` for an unknown
    preset, broken YAML, unknown keys and bad values.
    """
    named = [names] if isinstance(names, str) else list(names or ())
    data = _read_yaml(preset_folder() / base) if base else {}
    for name in named:
        data = merge(data, with_present_names(_read_yaml(_find_config(name))))
    given = list(settings)
    for setting in given:
        data = merge(data, with_present_names(_parse_setting(setting)))
    source = " + ".join([*named, *(f"--set {_short(setting)}" for setting in given)]) or "the defaults"
    return validate(Config, data, source=source, settings=given)


def changed_tissue(tissue: TissueConfig, settings: Iterable[str]) -> TissueConfig:
    """The section with the settings of ``--set tissue.key=value`` over its own.

    Raises `ConfigError` for another section, which would have no effect, an unknown key and a bad value.
    """
    data: dict[str, Any] = {"tissue": tissue.model_dump()}
    given = list(settings)
    for setting in given:
        section = setting.partition("=")[0].partition(".")[0]
        if section != "tissue":
            raise ConfigError(
                f"--set {setting}: only settings of tissue can be changed here, e.g. tissue.min_fraction=0.05. "
                "All others belong to the model and are set in training."
            )
        data = merge(data, _parse_setting(setting))
    return validate(Config, data, source="--set", settings=given).tissue


def validate(
    model: type[AnySection], data: Mapping[str, Any], *, source: str, settings: Sequence[str] = ()
) -> AnySection:
    """Check ``data`` and return it as a section; raises `ConfigError` with one line per mistake.

    A mistake in one of the ``settings`` of ``--set`` is told with it, and not with the ``source`` of all else.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        problems = [(_setting_of(problem["loc"], settings), _explain(model, dict(problem))) for problem in found]
        lines = [f"--set {_short(setting)}: {told}" if setting else told for setting, told in problems]
        if all(setting for setting, _ in problems):
            raise ConfigError("\n".join(lines)) from None
        raise ConfigError(f"{source}: this configuration is not valid.\n  " + "\n  ".join(lines)) from None


def _setting_of(place: Sequence[int | str], settings: Sequence[str]) -> str:
    """The last of the settings that gave the value at ``place``, or what lies around or below it; "" if none did."""
    found = "".join(f"{part}." for part in place)
    for setting in reversed(settings):
        key = f"{setting.partition('=')[0]}."
        if found and (found.startswith(key) or key.startswith(found)):
            return setting
    return ""


def _short(setting: str) -> str:
    return setting if len(setting) <= _LONG_SETTING else setting.partition("=")[0]


def _find_config(name_or_file: str) -> Path:
    presets = [preset_folder() / kind / f"{name_or_file}.yaml" for kind in KINDS]
    if "/" not in name_or_file and (found := [path for path in presets if path.is_file()]):
        return found[0]
    if Path(name_or_file).is_file():
        return Path(name_or_file)
    near = nearest(name_or_file, [name for kind in KINDS for name in preset_names(kind)], _NEAR)
    raise ConfigError(
        f"--config {name_or_file}: there is no such file and no such preset"
        f"{f'; did you mean {near}?' if near else '.'} "
        f"Models: {', '.join(preset_names('train'))}. "
        f"Variations to apply on top of a model: {', '.join(preset_names('ablation'))}."
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        CONFIG_BYTES.require(path.stat().st_size, path, ConfigError)
        data = _parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}).") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: this file holds a {type(data).__name__}, but a mapping of sections is needed.")
    return data


def _parse_yaml(text: str, place: str) -> Any:
    """Parse YAML, but refuse aliases, which can expand to billions of values, and what is large or deep.

    ``place`` is where the text is from. Raises `ValueError` for a bad date too.
    """
    CONFIG_BYTES.require(len(text), place, ConfigError)
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):  # the time it takes grows with the square of the depth
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        CONFIG_DEPTH.require(depth, place, ConfigError)
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"aliases (*{event.anchor}) are not supported; write the values out")
    return yaml.safe_load(text)


def _parse_setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting}: write section.key=value, e.g. training.steps=500.")
    try:
        value = _parse_yaml(text, f"--set {key}")
    except (ValueError, yaml.YAMLError, RecursionError):
        raise ConfigError(f"--set {setting}: the value {reprlib.repr(text)} is not valid YAML.") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]  # a dict after the first of at least one part


def _explain(model: type[Section], problem: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error" and isinstance(
        problem["input"], Mapping
    ):  # settings that contradict each other
        return f"{place}: {problem['ctx']['error']}".removeprefix(": ")
    if problem["type"] == "model_type":
        return f"{place}: is a section of settings, not a value (given: {reprlib.repr(problem['input'])})"
    if problem["type"] != "extra_forbidden":
        return f"{place}: {problem['msg']} (given: {reprlib.repr(problem['input'])})"
    known = sorted(_known_keys(model))
    close = nearest(place, known)
    hint = f"did you mean {close}?" if close else f"known settings: {', '.join(known)}"
    return f"{place}: no such setting; {hint}"


def _known_keys(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, f"{prefix}{name}.")
