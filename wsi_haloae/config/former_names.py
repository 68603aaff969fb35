"""Settings that had another name in version 0.2, whose files and commands are still around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMER = {
    "split": {"select": "validation", "calibrate": "calibration"},
    "training": {"select_tiles": "validation_tiles"},
}
"""By section: the former name, and today's."""


def with_present_names(data: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's sections, with each former name replaced by today's. Anything else is left as it is."""
    return {
        section: renamed(values, FORMER[section]) if section in FORMER and isinstance(values, Mapping) else values
        for section, values in data.items()
    }


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A mapping with some of its keys replaced."""
    return {names.get(name, name): value for name, value in values.items()}
