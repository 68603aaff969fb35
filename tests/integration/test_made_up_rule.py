"""A rule that is added through its row alone: whatever knows rules knows it."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from docs.list_rules import rule_list
from tests.integration.conftest import TINY, Tiny
from tests.training.tiles import MemorySource
from wsi_haloae.cli.main import run
from wsi_haloae.config import RULES, Rule, load_config
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.anomaly_map import by_layer, smooth
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.training.choose_rule import choose_rule
from wsi_haloae.training.descriptors import cross_fit
from wsi_haloae.training.moments import measure_moments

CODE = "tests.scoring.made_up_rule"
MADE_UP = Rule(
    "surprise",
    "the greatest surprise over {cells}",
    numbers=f"{CODE}:surprise",
    shows=f"{CODE}:greatest",
    taught_by="validation",
    after=("profile",),
    one_sided=True,
    auto_says="surprisingly",
)
WORDS = "the greatest surprise over tissue cells"


def test_a_rule_is_known_to_all_by_its_row(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train-tiles", str(tiny.slide), "-o", "m", "--set", "scoring.rule=surprise"]) == 2
    assert "scoring.rule: Value error, no such rule" in capsys.readouterr().err
    monkeypatch.setitem(RULES, MADE_UP.name, MADE_UP)
    assert load_config(None, ["scoring.rule=surprise"]).scoring.rule == "surprise"
    model, output = tmp_path / "model.safetensors", tmp_path / "out"
    train = ["train-tiles", str(tiny.slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert run([*train, "--tile-size", "64", *TINY, "--set", "scoring.rule=surprise", "-q"]) == 0
    checkpoint = Checkpoint.load(model)
    assert checkpoint.gaussians["surprise"].mean.shape == (2,)
    _scores_as_its_code_says(checkpoint)
    _is_asked_by_auto(checkpoint)

    other = tmp_path / "other.tif"  # not trained on
    write_synthetic_slide(other, width=1024, height=1024, seed=1).write_geojson(other.with_suffix(".geojson"))
    assert run(["score", str(other), "--model", str(model), "-o", str(output), "--maps", "-q"]) == 0
    store = ScoreStore.open(output / "other/scores.zarr")
    assert store.header.rules[-1] == "surprise"
    assert store.header.model.rule == WORDS
    np.testing.assert_array_equal(store.read("rules")[:, -1], store.read("score"))

    assert (
        run(
            ["evaluate", str(output), "--annotations", str(other.with_suffix(".geojson")), "--reference", "Tumor", "-q"]
        )
        == 0
    )
    found = json.loads((output / "evaluation/evaluation.json").read_text())
    assert found["rules"]["surprise"] == found["rules"]["score"] | {"name": "surprise"}
    assert run(["export", str(output), "--format", "anndata", "--format", "parquet", "--format", "report", "-q"]) == 0
    table = anndata.read_h5ad(output / "other/tiles.h5ad")
    np.testing.assert_array_equal(
        table.obsm["rules"][:, table.uns["rules"].tolist().index("surprise")], table.obs["score"]
    )
    assert WORDS in pq.read_schema(output / "other/tiles.parquet").metadata[b"rule"].decode()
    assert WORDS in (output / "other/report.html").read_text()
    assert f"| `surprise` | {WORDS} | validation tiles |  |" in rule_list()
    assert "`surprise` or `descriptor` or `combined` or `content`" in rule_list()


def _scores_as_its_code_says(checkpoint: Checkpoint) -> None:
    tiles = MemorySource(3, size=64).tiles
    scorer = Scorer(checkpoint, torch.device("cpu"), 3)
    found = scorer.score(tiles, keep_maps=True)
    profile = found.rules[:, scorer.rules.index("profile")]
    usual = checkpoint.gaussians["surprise"]
    away = np.stack([profile, found.layer_residuals.max(axis=1)], axis=1) - usual.mean.numpy()
    expected = np.maximum(away * np.sqrt(usual.precision.diagonal().numpy()), -1).mean(axis=1)
    np.testing.assert_allclose(found.score, expected, rtol=1e-4)
    with torch.no_grad():
        features = checkpoint.model.features(normalise(to_unit(torch.from_numpy(tiles)), 1))
        squares = (features - checkpoint.model.reconstruct(features)).square()
        greatest = by_layer(squares, checkpoint.model.backbone.layer_channels).amax(dim=1)
    np.testing.assert_allclose(found.anomaly_map, smooth(greatest), rtol=1e-3, atol=1e-5)


def _is_asked_by_auto(checkpoint: Checkpoint) -> None:
    source = MemorySource(6, size=64)
    asking, device = _with_rule(checkpoint, "auto"), torch.device("cpu")
    groups = np.array(list("aabbcc"))
    learned = cross_fit(measure_moments(asking, source, groups, device, lambda _count: None), seed=0)
    chosen, choice = choose_rule(asking, source, np.arange(6), groups, learned, device, lambda _count: None)
    assert list(chosen.facts.rule_marks) == ["surprise", "descriptor", "combined", "content"]
    assert choice.rule == "surprise"  # the last row of the table comes first, and 6 tiles tell nothing else
    assert choice.describe().endswith("; surprisingly")


def _with_rule(checkpoint: Checkpoint, name: str) -> Checkpoint:
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": name})
    return checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
