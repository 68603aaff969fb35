"""What checkpoints of earlier formats say, in the words of the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsi_haloae.config.former_names import FORMER, renamed, with_present_names
from wsi_haloae.config.rules import CUSTOM, RULES, open_pieces


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
    config = with_present_names({**config, "scoring": scoring})
    training = renamed(facts["training"], {**FORMER["split"], "select_fm": "validation_fm"})
    for counted in ("tiles", "groups"):
        if counted in training:
            training[counted] = renamed(training[counted], FORMER["split"])
    return {**facts, "config": config, "training": training}


def from_format_5(facts: Mapping[str, Any]) -> dict[str, Any]:
    """In format 5 the maps of all rules showed residuals: for those of another map today, their range is not known.

    Raises `KeyError`, `TypeError` or `AttributeError` for facts of another shape.
    """
    rule = RULES.get(facts["config"]["scoring"]["rule"])
    return {**facts, "map_range": None} if rule is not None and rule.map_adds_up else dict(facts)
