"""A configuration as YAML that ``--config`` takes again, with a comment where it differs from the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wsi_haloae.config.settings import in_yaml
from wsi_haloae.config.whole import Config

LONGEST = 60
"""Characters of a default that a comment shows."""
_MISSING = object()


def shown(config: Config, defaults: Config, *, changed_only: bool = False) -> str:
    """All settings, or with ``changed_only`` those that differ from the ``defaults``, which may be none."""
    return "\n".join(_lines(config.model_dump(mode="json"), defaults.model_dump(mode="json"), "", changed_only))


def _lines(values: Mapping[str, Any], defaults: Mapping[str, Any], indent: str, changed_only: bool) -> Iterator[str]:
    for name, value in values.items():
        default = defaults.get(name, _MISSING)
        if isinstance(value, Mapping) and isinstance(default, Mapping) and default:
            inner = list(_lines(value, default, f"{indent}  ", changed_only))
            yield from [f"{indent}{name}:", *inner] if inner else []
        elif value != default or not changed_only:
            yield f"{indent}{name}: {in_yaml(value)}{'' if value == default else _comment(default)}"


def _comment(default: Any) -> str:
    if default is _MISSING:  # a piece of another rule
        return ""
    words = in_yaml(default)
    return f"  # default: {words}" if len(words) <= LONGEST else "  # not the default"
