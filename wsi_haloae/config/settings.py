"""Every setting of the configuration with its type, bounds, default and meaning, from the sections themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from wsi_haloae.config.presets import MVTEC_BASE, SLIDE_BASE, load_config
from wsi_haloae.config.section import Section
from wsi_haloae.config.whole import Config
from wsi_haloae.errors import UsageError
from wsi_haloae.nearest import nearest

_TYPES = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "null": "null",
    "object": "mapping",
}
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A key of ``--set``. ``bounds`` is empty where any value of the type will do.

    ``default`` is the value of ``train-tiles`` below all presets, and ``mvtec`` that of ``mvtec``, both as YAML.
    """

    key: str
    type: str
    bounds: str
    default: str
    mvtec: str
    meaning: str

    @property
    def default_words(self) -> str:
        """The default, and the other command's if it has its own."""
        return self.default if self.mvtec == self.default else f"{self.default} (mvtec: {self.mvtec})"


def all_settings() -> list[Setting]:
    """Every setting, section by section, in the order of the sections."""
    schema = Config.model_json_schema()
    usual, of_mvtec = _default_values(SLIDE_BASE), _default_values(MVTEC_BASE)
    return [
        Setting(key, words, bounds, usual[key], of_mvtec[key], meaning)
        for key, words, bounds, meaning in _settings(schema, schema["$defs"], "")
    ]


def values_of(config: Config) -> dict[str, str]:
    """The value of each setting as YAML, by key; pieces of a rule are there only if the rule is ``custom``."""
    return dict(_values(config, config.model_dump(mode="json"), ""))


def _default_values(base: str) -> dict[str, str]:
    """What a command has below all presets; pieces of a rule as they are if ``custom`` is asked for."""
    return values_of(load_config(None, ["scoring.rule=custom"], base=base)) | values_of(load_config(None, base=base))


def _values(section: Section, dumped: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in dumped.items():
        inner = getattr(section, name)
        if isinstance(inner, Section):
            yield from _values(inner, value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", in_yaml(value)


def sections() -> dict[str, str]:
    """What each section is about, by its key."""
    schema = Config.model_json_schema()
    return dict(_sections(schema, schema["$defs"], ""))


def settings_at(key: str) -> list[Setting]:
    """The setting of this key, or all settings of the section. Raises `UsageError` if there is neither."""
    known = all_settings()
    found = [one for one in known if one.key == key or one.key.startswith(f"{key}.")]
    if found:
        return found
    keys = [*(one.key for one in known), *sections()]
    by_name = {one.rpartition(".")[2]: one for one in reversed(keys)} | {one: one for one in keys}
    close = nearest(key, by_name, cutoff=0.7)
    hint = f"did you mean {by_name[close]}?" if close else "'wsi-haloae config explain' lists them all."
    raise UsageError(f"{key}: no such setting; {hint}")


def _settings(section: Schema, named: Schema, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Key, type, bounds and meaning of each setting."""
    for name, field in section["properties"].items():
        inner = _inner(field, named)
        if inner is not None:
            yield from _settings(inner, named, f"{prefix}{name}.")
        else:
            bounds = ", ".join(dict.fromkeys(_bounds(field)))
            yield f"{prefix}{name}", _words(field, named), bounds, field.get("description", "")


def _sections(section: Schema, named: Schema, prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in section["properties"].items():
        inner = _inner(field, named)
        if inner is not None:
            yield f"{prefix}{name}", inner["description"].partition("\n")[0]
            yield from _sections(inner, named, f"{prefix}{name}.")


def _inner(field: Schema, named: Schema) -> Schema | None:
    """The section that a field is; None for a setting. A section that may be null is one setting."""
    return named[field["$ref"].rpartition("/")[2]] if "$ref" in field else None


def _words(field: Schema, named: Schema) -> str:
    if "enum" in field:
        return " or ".join(map(str, field["enum"]))
    if "$ref" in field:
        return f"mapping of {', '.join(named[field['$ref'].rpartition('/')[2]]['properties'])}"
    if "anyOf" in field:
        return " or ".join(_words(one, named) for one in field["anyOf"])
    if field["type"] == "array":
        return f"list of [{_words(field['items'], named)}]"
    return _TYPES[field["type"]]


def _bounds(field: Schema) -> Iterator[str]:
    for key, words in _BOUNDS.items():
        if key in field:
            yield f"{words} {_number(field[key])}"
    if "multipleOf" in field:
        yield f"a multiple of {field['multipleOf']}"
    if "minItems" in field:
        yield "not empty"
    for inner in (*field.get("anyOf", ()), *([field["items"]] if isinstance(field.get("items"), Mapping) else ())):
        yield from _bounds(inner)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.6g}"


def in_yaml(value: Any) -> str:
    """A value on one line, as a YAML file or ``--set`` takes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {in_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_yaml(one) for one in value) + "]"
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value)
