"""ROC curves: each has a look of its own, and equal ones are named together."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from wsi_haloae.config import RULES
from wsi_haloae.evaluation.judgement_pictures import curves, looks, write_roc

ANOMALOUS = np.arange(60) % 3 == 0
SCORES = ANOMALOUS + np.random.default_rng(0).normal(size=60)


def test_every_rule_has_a_look_of_its_own() -> None:
    assert len(set(islice(looks(), len(RULES)))) == len(RULES)


def test_equal_curves_are_named_together(tmp_path: Path) -> None:
    methods = {"score": SCORES, "paper": -SCORES, "descriptor": SCORES, "signed": np.exp(-SCORES)}
    assert list(curves(methods, ANOMALOUS).values()) == [["score", "descriptor"], ["paper", "signed"]]
    write_roc(tmp_path / "roc.png", dict.fromkeys(("score", *RULES), SCORES), ANOMALOUS, {})
    with Image.open(tmp_path / "roc.png") as picture:
        assert picture.width > picture.height, "the names are beside the curves"
