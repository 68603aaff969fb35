"""What checkpoints of earlier formats say, in the words of the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsi_haloae.config.rules import CUSTOM, open_pieces


def from_format_4(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``pooling`` named the rule, too, and stood beside settings that the rule did not use.

    Raises `KeyError`, `TypeError` or `AttributeError` for facts of another shape.
    """
    config = facts["config"]
    given = config["scoring"]
    if given["pooling"] in {"mean", "p95", "max"}:
        scoring = {"rule": CUSTOM, **given}
    else:
        shaping = open_pieces(given["pooling"]) | {"residual", "glass_level"}
        scoring = {"rule": given["pooling"], **{name: value for name, value in given.items() if name in shaping}}
    return {**facts, "config": {**config, "scoring": scoring}}
