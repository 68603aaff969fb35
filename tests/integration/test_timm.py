"""Features of timm as a user has them: trained on, scored with, and refused, all without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.integration.conftest import TINY, Tiny
from tests.model.tiny import TINY as TINY_MODEL
from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.cli.main import run
from wsi_haloae.config import Config
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.training.fit import fit
from wsi_haloae.training.job import TrainingData, TrainingJob

pytestmark = pytest.mark.usefixtures("no_network")
RANDOM = ["--set", "model.features.weights=random"]


def command(tiny: Tiny, model: Path, features: str, *more: str) -> list[str]:
    source = [str(tiny.slide), "--annotations", str(tiny.truth), "--class", "Tumor"]
    return ["train-tiles", *source, "-o", str(model), "--tile-size", "64", *TINY, "--features", features, *more]


def test_a_model_on_features_of_timm_is_trained_and_scores_a_slide(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.safetensors"
    assert run(command(tiny, model, "timm:test_resnet", *RANDOM)) == 0
    told = capsys.readouterr().err
    assert "features timm:test_resnet: 272 channels on 16 x 16 cells" in told
    assert "with vgg19 instead" in told
    facts = Checkpoint.load(model).facts
    assert facts.backbone_source == "random weights, fixed seed"
    assert facts.config.model.features.timm.architecture == "test_resnet"
    assert facts.config.model.autoencoder.made_for is None

    def refuse(*_args: object, **settings: object) -> None:
        assert settings["pretrained"] is False

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, **s: refuse(*a, **s) or create(*a, **s))
    assert run(["score", str(tiny.slide), "--model", str(model), "-o", str(tmp_path / "out"), "-q"]) == 0
    store = ScoreStore.open(tmp_path / "out" / "tiny" / "scores.zarr")
    assert store.header.layers == ("layer1", "layer2", "layer3")
    assert np.isfinite(store.scores().score).all()


def test_a_named_encoder_is_announced_before_its_weights_are_loaded_and_kept_with_its_licence(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smaller = {"img_size": 64, "patch_size": 4, "embed_dim": 16, "num_heads": 2, "depth": 2}
    theirs = timm.create_model("vit_large_patch16_224", **smaller, init_values=1.0)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    arguments = ", ".join(f"{name}: {value}" for name, value in smaller.items())
    changed = ["--set", f"model.features.arguments={{{arguments}}}", "--set", "model.features.stages=[0, 1]"]
    model = tmp_path / "model.safetensors"
    given = [*changed, "--weights", str(tmp_path / "w.safetensors"), "--override-mpp", "1"]
    assert run(command(tiny, model, "phikon-v2", *given)) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert 0 <= told.index("encoder phikon-v2: Phikon-v2") < told.index("licence: Owkin's") < told.index("weights:")
    assert "the encoder phikon-v2 was trained at 0.5 µm/px, but sees these tiles at 1 µm/px" in told
    facts = Checkpoint.load(model).facts
    assert facts.backbone_source == "w.safetensors (licence: Owkin's (non-commercial); access: open)"
    kept = facts.config.model.features
    assert (kept.backbone, kept.stages) == ("timm:hf-hub:owkin/phikon-v2", (0, 1))
    assert kept.timm.architecture == "vit_large_patch16_224"


def test_the_encoders_are_listed_without_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train-tiles", "mvtec"):
        assert run([name, "--features", "list"]) == 0
        assert "uni2-h" in capsys.readouterr().out


def test_labelled_images_take_features_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train/good", "test/good", "test/cut"):
        (tmp_path / "screw" / part).mkdir(parents=True)
    assert run(["mvtec", str(tmp_path), "--all", "-o", str(tmp_path / "out"), "--features", "uni2h"]) == 2
    assert "did you mean uni2-h?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ("timm:resnet5O", "did you mean"),
        ("uni2h", "did you mean uni2-h?"),
        ("resnet50", "timm:NAME"),
        ("timm:test_vit3", "at least 176"),
    ],
)
def test_features_that_cannot_be_had_are_bad_usage(
    features: str, told: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(tiny, tmp_path / "m.safetensors", features, *RANDOM, "-q")) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("backbone", "settings", "cells"),
    [("timm:test_convnext", {}, 24), ("timm:test_vit3", {"arguments": {"patch_size": 8}, "stages": [0, 2]}, 12)],
)
def test_two_steps_of_training_leave_a_checkpoint_that_scores_alike(
    backbone: str, settings: dict[str, Any], cells: int, tmp_path: Path
) -> None:
    features = {"backbone": backbone, "weights": "random", **settings}
    given = tiny_config(steps=2).model_dump() | {"model": {**TINY_MODEL, "features": features}}
    config = resolve(Config.model_validate(given))
    source = MemorySource(size=96)
    data = TrainingData(source, np.arange(6), np.arange(6, 10))
    job = TrainingJob(config, data, tmp_path, "x", torch.device("cpu"), mpp=0.5)
    checkpoint, curve = fit(job, Reporter(quiet=True))
    assert curve[-1].step == 2
    assert checkpoint.mean_map.shape == (cells, cells)
    checkpoint.save(tmp_path / "model.safetensors")
    loaded = Checkpoint.load(tmp_path / "model.safetensors")
    one, other = (Scorer(each, torch.device("cpu"), 4).score(source.tiles) for each in (checkpoint, loaded))
    assert np.array_equal(one.score, other.score)
    assert np.ptp(one.score) > 0
