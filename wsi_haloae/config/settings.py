"""Every setting of the configuration with its type, bounds, default and meaning, from the sections themselves."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from wsi_haloae.config.whole import Config
from wsi_haloae.errors import UsageError

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
    """A key of ``--set``. ``bounds`` is empty where any value of the type will do; ``default`` is written as YAML."""

    key: str
    type: str
    bounds: str
    default: str
    meaning: str


def all_settings() -> list[Setting]:
    """Every setting, section by section, in the order of the sections."""
    schema = Config.model_json_schema()
    return list(_settings(schema, schema["$defs"], ""))


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
    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.5) or [one for one in keys if one.endswith(f".{key}")]
    hint = f"did you mean {close[0]}?" if close else "'wsi-haloae config explain' lists them all."
    raise UsageError(f"{key}: no such setting; {hint}")


def _settings(section: Schema, named: Schema, prefix: str) -> Iterator[Setting]:
    for name, field in section["properties"].items():
        inner = _inner(field, named)
        if inner is not None:
            yield from _settings(inner, named, f"{prefix}{name}.")
        else:
            bounds = dict.fromkeys(_bounds(field))
            yield Setting(
                f"{prefix}{name}",
                _words(field, named),
                ", ".join(bounds),
                in_yaml(field["default"]),
                field.get("description", ""),
            )


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
