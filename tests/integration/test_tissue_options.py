"""``--tissue``, ``--pen``, ``--set`` and ``--preview``, and slides without tissue that are not empty glass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data_paths import case_input, real_data
from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run


def tissue_share(printed: str) -> float:
    row = next(line for line in printed.splitlines() if line.startswith("tissue"))
    return float(row.split()[1].rstrip("%"))


def test_a_dark_background_fails_with_the_reason_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["tile", str(case_input("27-dark-background/fluorescence.tif")), "-o", str(tmp_path)]
    for _ in range(2):
        assert run(command) == 2
        assert "background is dark" in capsys.readouterr().err
    record = json.loads((tmp_path / "fluorescence" / "run.json").read_text())
    assert record["state"] == "empty"
    assert "background is dark" in record["tissue"]["why_empty"]
    assert record["tissue"]["shares"]["dark"] > 0.3
    assert run([*command, "--tissue", "all", "--overwrite", "-q"]) == 0


def test_a_mask_decides_and_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide, mask = str(real_data("wsi/cmu-1-small-region.svs")), np.zeros((297, 222), np.uint8)
    mask[:148] = 1
    for name, pixels in (("half.png", mask), ("wide.png", np.ones((100, 222), np.uint8)), ("none.png", mask * 0)):
        Image.fromarray(pixels).save(tmp_path / name)
    assert run(["info", slide, "--tissue", str(tmp_path / "half.png"), "--preview", str(tmp_path / "seen.png")]) == 0
    assert tissue_share(capsys.readouterr().out) == pytest.approx(50, abs=0.5)
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.width > 500
    assert run(["info", slide, "--tissue", str(tmp_path / "wide.png")]) == 2
    assert "must show the whole slide" in capsys.readouterr().err
    assert run(["info", slide, "--tissue", str(tmp_path / "none.png")]) == 2
    assert "no pixel of this mask is set" in capsys.readouterr().err


def test_outlines_decide_with_their_holes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outer = [[0, 0], [2220, 0], [2220, 2967], [0, 2967], [0, 0]]
    hole = [[555, 742], [1665, 742], [1665, 2225], [555, 2225], [555, 742]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [outer, hole]}}
    (tmp_path / "tissue.geojson").write_text(json.dumps(feature))
    slide = str(real_data("wsi/cmu-1-small-region.svs"))
    assert run(["info", slide, "--tissue", str(tmp_path / "tissue.geojson")]) == 0
    assert tissue_share(capsys.readouterr().out) == pytest.approx(
        75, abs=2
    )  # edges are exact to a pixel of the thumbnail


def test_only_settings_of_tissue_can_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    slide = str(real_data("wsi/cmu-1-small-region.svs"))
    assert run(["info", slide, "--set", "tissue.min_fraction=0.9"]) == 0
    assert "at least 90\N{NO-BREAK SPACE}% tissue" in capsys.readouterr().out
    assert run(["info", slide, "--set", "training.steps=5"]) == 2
    assert "only settings of tissue" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_setting_that_score_does_not_know_is_told_before_any_slide_is_touched(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, more: list[str]
) -> None:
    slides = [str(tiny.slide), str(real_data("wsi/cmu-1-small-region.svs"))][:count]
    command = ["score", *slides, "-m", str(tiny.model), "-o", str(tmp_path / "out"), *more]
    for setting in ("tissue.min_fracton=0.2", "tissue.min_fraction=x", "tissue.floor=5", "training.steps=5"):
        assert run([*command, "--set", setting]) == 2
        assert f"--set {setting}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
