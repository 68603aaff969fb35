"""What checkpoints of earlier formats say, in the words of the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsi_haloae.config.rules import CUSTOM, RULES, open_pieces

_RENAMED = {
    "select": "validation",
    "calibrate": "calibration",
    "select_tiles": "validation_tiles",
    "select_fm": "validation_fm",
}


def from_format_4(facts: Mapping[str, Any]) -> dict[str, Any]:
    """In format 4 ``pooling`` also named the rule, beside settings that the rule did not use.

    The parts of the split were called select and calibrate.
    Raises `KeyError`, `TypeError` or `AttributeError` for facts of another shape.
    """
    config = facts["config"]
    given = config["scoring"]
    if given["pooling"] in {"mean", "p95", "max"}:
        scoring = {"rule": CUSTOM, **given}
    else:
        shaping = open_pieces(given["pooling"]) | {"residual", "glass_level"}
        scoring = {"rule": given["pooling"], **{name: value for name, value in given.items() if name in shaping}}
    config = {
        **config,
        "scoring": scoring,
        "split": _renamed(config["split"]),
        "training": _renamed(config["training"]),
    }
    training = _renamed(facts["training"])
    for counted in ("tiles", "groups"):
        if counted in training:
            training[counted] = _renamed(training[counted])
    return {**facts, "config": config, "training": training}


def from_format_5(facts: Mapping[str, Any]) -> dict[str, Any]:
    """In format 5 the maps of all rules showed residuals: for those of another map today, their range is not known.

    Raises `KeyError`, `TypeError` or `AttributeError` for facts of another shape.
    """
    rule = RULES.get(facts["config"]["scoring"]["rule"])
    return {**facts, "map_range": None} if rule is not None and rule.map_adds_up else dict(facts)


def _renamed(section: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(name, name): value for name, value in section.items()}
