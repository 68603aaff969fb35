"""What smoothing adds and loses: judged on a made slide of which all is known."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from tests.adaptation.test_adaptation import SIZE, area, reference
from tests.stores.make import COLUMNS, SIDE, make_index
from wsi_haloae.experiments import neighbourhood
from wsi_haloae.experiments.neighbourhood import SIDES, Outlined, judge, markdown_rows, squares
from wsi_haloae.pages import percent

ROWS, LESION, RADIUS = 30, 10, 256


def slide(far: float) -> Outlined:
    """Rows of normal tiles, as the reference has them, below `LESION` rows of a lesion that differs in one number."""
    lesion = np.arange(ROWS * COLUMNS) < LESION * COLUMNS
    tiles = np.random.default_rng(0).normal(size=(len(lesion), SIZE))
    tiles[:, 9] += far * lesion
    width, edge = COLUMNS * SIDE, LESION * SIDE
    return Outlined(
        reference(), tiles.astype(np.float16), area(len(lesion)), make_index(len(lesion)), ~lesion, lesion,
        (shapely.box(0, edge, width, ROWS * SIDE), shapely.box(0, 0, width, edge)), 1e-6,
    )  # fmt: skip


def test_squares_are_whole_and_of_normal_tiles() -> None:
    made = slide(0)
    for side in (1, 3):
        found = squares(made, side)
        assert found, side
        for tiles in found:
            assert made.usual[tiles].all()
            rows = set(made.index.row[tiles].tolist())
            assert rows == set(range(min(rows), min(rows) + side))
            assert len(set(zip(made.index.row[tiles], made.index.column[tiles], strict=True))) == side * side
    assert not squares(made, ROWS)


def test_smoothing_finds_a_faint_area_and_loses_a_single_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "PLACES", 3)  # the first of them beside the lesion
    made = slide(5)
    plain, smooth = (judge(made, radius) for radius in (0, RADIUS))
    assert plain.auroc < smooth.auroc
    assert plain.lesion_called + 0.1 < smooth.lesion_called
    assert plain.dice is not None
    assert smooth.dice is not None
    assert plain.dice < smooth.dice
    assert smooth.planted_called[1] < 0.5
    assert smooth.planted_called[7] > 0.5
    text = markdown_rows([plain, smooth])
    assert len(text.splitlines()) == 4
    assert f"| {plain.auroc:.4f} | {plain.dice:.3f} | {percent(plain.lesion_called)} |" in text
    assert all(f"planted {side} x {side} |" in text for side in SIDES)
