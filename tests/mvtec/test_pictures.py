"""The sheet of a category says what its maps are of the score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsi_haloae.config import RULES, Rule, map_title
from wsi_haloae.mvtec.category_pictures import SheetColumn, write_sheet


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_only_a_map_that_is_part_of_the_score_is_called_its_anomaly_map(rule: Rule) -> None:
    assert ("not part of this score" in map_title(rule.name)) == (rule.name in {"descriptor", "content", "classifier"})
    assert map_title(rule.name, "A_fm").startswith("A_fm")


def test_the_sheet_has_the_title_of_its_maps(tmp_path: Path) -> None:
    column = SheetColumn("good", np.zeros((16, 16, 3), np.uint8), np.eye(16, dtype=np.float32), None)
    for rule in ("p95", "classifier"):
        write_sheet(tmp_path / f"{rule}.png", [column], 1.0, map_title(rule))
    plain, labelled = (np.asarray(Image.open(tmp_path / f"{rule}.png").convert("L")) for rule in ("p95", "classifier"))
    assert not np.array_equal(plain, labelled)
