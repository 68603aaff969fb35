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
    of_residual = map_title(rule.name)
    assert ("not part of this score" in of_residual) == (rule.name in {"descriptor", "content", "classifier"})
    assert map_title(rule.name, "A_fm").startswith("A_fm")


def test_the_sheet_has_the_title_of_its_maps(tmp_path: Path) -> None:
    column = SheetColumn("good", np.zeros((16, 16, 3), np.uint8), np.eye(16, dtype=np.float32), None)
    for rule in ("p95", "classifier"):
        write_sheet(tmp_path / f"{rule}.png", [column], 1.0, map_title(rule))
    plain, labelled = (np.asarray(Image.open(tmp_path / f"{rule}.png").convert("L")) for rule in ("p95", "classifier"))
    assert not np.array_equal(plain, labelled)


def test_the_sheet_does_not_hide_that_cells_lie_below_its_range(tmp_path: Path) -> None:
    """A signed map's negative cells have the colour of 0; only the colour bar tells."""
    signed = np.eye(16, dtype=np.float32)
    for name, lowest in (("zero", 0), ("below", -1)):
        column = SheetColumn("good", np.zeros((16, 16, 3), np.uint8), np.where(signed > 0, signed, lowest), None)
        write_sheet(tmp_path / f"{name}.png", [column], 1.0, "map")
    zero, below = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("zero", "below"))
    assert not np.array_equal(zero, below)
