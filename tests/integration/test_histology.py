"""The histology comparison on small made-up tiles: all methods, three colourings, resumed run by run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data_paths import real_data
from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.histology import HistologyOptions, HistologySet, run_histology
from wsi_haloae.experiments.histology_sets import HISTOLOGY_SETS
from wsi_haloae.progress import Reporter

TILES = HistologySet("set", ("train",), ("test/same",), ("test/other",), mpp=0.5, group="p[0-9]+")
OPTIONS = HistologyOptions(weights=None, device="cpu", workers=0)


def write(folder: Path, tiles: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, tile in enumerate(tiles):
        Image.fromarray(tile).save(folder / f"p{number // 2:02d}_{number}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "set/train", MemorySource(40).tiles)
    write(tmp_path / "set/test/same", MemorySource(12).tiles)
    red = MemorySource(14).tiles.copy()
    red[..., 0] = np.minimum(red[..., 0].astype(int) + 90, 255)
    write(tmp_path / "set/test/other", red)
    return tmp_path


def test_every_colouring_of_every_seed_is_run_and_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = root / "out"
    assert run_histology(root, TILES, output, tiny_config(), [0, 1], OPTIONS, Reporter()) == 0
    told = json.loads((output / "table.json").read_text())
    assert set(told["held_out_residual"]) == {"colour", "matched", "grey"}
    told = told["auroc"]
    assert set(told) == {"colour", "matched", "grey"}
    by_name = {cell["name"]: cell for cell in told["colour"]}
    assert {"HaloAE", "HaloAE: layers_ssim", "pooled Mahalanobis", "colour statistics", "skewness"} <= set(by_name)
    assert by_name["mean red"]["auroc"] > 0.95
    assert {cell["name"]: cell for cell in told["matched"]}["mean red"]["auroc"] < 0.75, "colour is controlled"
    assert len(by_name["HaloAE"]["by_seed"]) == 2
    assert by_name["HaloAE"]["auroc"] == pytest.approx(np.mean(by_name["HaloAE"]["by_seed"]))
    judged = [json.loads((output / f"colour-{seed}/evaluation.json").read_text()) for seed in (0, 1)]
    for name, own in (("HaloAE", "score"), ("HaloAE: layers_ssim", "layers_ssim")):
        assert by_name[name]["by_seed"] == [one["rules"][own]["auroc"] for one in judged], "one judgement"
    assert by_name["skewness"]["by_seed"] == [one["baselines"]["skewness"]["auroc"] for one in judged]
    assert set(judged[0]["classes"]) == {"same", "other"}
    table = (output / "table.md").read_text()
    assert "seed by seed: colour (2) custom, custom; matched (2) custom, custom; grey (2) custom, custom." in table
    assert "Development data" in table
    assert table.count("**0.") + table.count("**1.") == 3, "one best baseline a column"
    for name in ("scores.png", "maps.png"):
        with Image.open(output / "grey-1" / name) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50, "something is drawn"
    marks = json.loads((output / "rules.json").read_text())
    assert [one["mark"] for one in marks] == sorted((one["mark"] for one in marks), reverse=True)
    assert {"combined", "tissue", "paper"} <= {one["rule"] for one in marks}
    assert set(marks[0]["by_disturbance"]) == {"shuffled blocks", "magnified", "crowded"}
    before = {path: path.read_bytes() for path in output.rglob("*.json")}
    capsys.readouterr()
    assert run_histology(root, TILES, output, tiny_config(), [0, 1], OPTIONS, Reporter()) == 0
    assert capsys.readouterr().err.count("done already") == 6
    assert before == {path: path.read_bytes() for path in output.rglob("*.json")}
    assert run_histology(root, TILES, output, tiny_config(steps=6), [0], OPTIONS, Reporter()) == 1
    assert "from a training with other training.steps" in capsys.readouterr().err


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no image"):
        TILES.source(tmp_path, ["train"])


def test_the_recipes_sets_are_where_they_are_said_to_be() -> None:
    root = real_data("tiles/glas_colon").parent
    glas = HISTOLOGY_SETS["glas"]
    assert len(glas.source(root, glas.train).groups) == 274
    assert set(glas.source(root, glas.train).groups).isdisjoint(glas.source(root, glas.reference).groups)
    lung = HISTOLOGY_SETS["lung"]
    assert len(set(lung.source(root, lung.train).groups)) == 150
    tested = [set(lung.source(root, folders).groups) for folders in (lung.train, lung.reference, lung.anomalous)]
    assert [len(groups) for groups in tested] == [150, 40, 40]
    assert len(set.union(*tested)) == 230, "no cluster on two sides"
