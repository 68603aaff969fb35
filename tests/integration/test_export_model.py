"""A model as WSInfer loads it: by its own schema, with the scores of this program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.integration.conftest import Tiny
from tests.model.tiny import EVERY_INGREDIENT, tiny_checkpoint
from wsi_haloae.cli.main import run
from wsi_haloae.errors import CheckpointError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.torchscript import STEEPNESS, as_torchscript
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stain.facts import StainFacts


@pytest.fixture(scope="module", params=["chosen by training", "combined"])
def folder(request: pytest.FixtureRequest, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder, with the model that it was made from."""
    folder, rule = tmp_path_factory.mktemp("wsinfer"), request.param
    checkpoint = Checkpoint.load(tiny.model)
    if rule in checkpoint.gaussians:
        config = checkpoint.facts.config
        scoring = config.scoring.model_copy(update={"rule": rule})
        checkpoint = checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
    checkpoint.save(folder / "model.safetensors")
    command = ["export-model", str(folder / "model.safetensors"), "--format", "wsinfer", "-o", str(folder / "out")]
    assert run(command) == 0
    return folder


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")
def test_scores_are_ours_on_tiles_of_a_slide_in_any_number(folder: Path, tiny: Tiny) -> None:
    checkpoint = Checkpoint.load(folder / "model.safetensors")
    slide = open_slide(tiny.slide, mpp=None, override_mpp=None)
    tiles = np.stack([slide.read_region(x, y, 0, 64, 64) for x in (0, 640, 1000) for y in (0, 448, 1001)])
    slide.close()
    expected = Scorer(checkpoint, torch.device("cpu"), batch_size=4).score(tiles).score
    script = torch.jit.load(folder / "out/torchscript_model.pt")
    pixels = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255  # ToTensor
    low, high = checkpoint.facts.display_range
    with torch.no_grad():
        for number in (1, 4, 9):
            logits = script(pixels[:number]).numpy()
            assert logits.shape == (number, 2)
            np.testing.assert_array_equal(logits[:, 0], 0)
            z = logits[:, 1].astype(np.float64)
            found = high + (high - low) * np.sign(z) * np.expm1(np.abs(z)) / STEEPNESS
            np.testing.assert_allclose(found, expected[:number], rtol=1e-4, atol=1e-4 * (high - low))


def test_a_model_with_every_ingredient_is_the_same_as_a_script() -> None:
    checkpoint = tiny_checkpoint(**EVERY_INGREDIENT)
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": "combined"})
    checkpoint = checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
    assert as_torchscript(checkpoint), "it compares the script with the model itself"


def test_the_configuration_passes_wsinfers_own_check(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # wsinfer_zoo makes a folder there when it is imported
    from wsinfer_zoo.client import ModelConfiguration

    config = json.loads((folder / "out/config.json").read_text(encoding="utf-8"))
    known = ModelConfiguration.from_dict(config)
    assert (known.patch_size_pixels, known.spacing_um_px, known.num_classes) == (64, 0.5, 2)
    assert [step.name for step in known.transform] == ["Resize", "ToTensor"]
    assert known.get_slide_patch_size(0.25) == 128


def test_what_it_does_not_do_is_said_loudly(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (folder / "out/README.md").read_text(encoding="utf-8")
    assert "SCORES ARE NOT ADAPTED TO THE SLIDE" in readme
    command = ["export-model", str(folder / "model.safetensors"), "--format", "wsinfer", "-o", str(folder / "again")]
    assert run(command) == 0
    assert "warning: SCORES ARE NOT ADAPTED TO THE SLIDE" in capsys.readouterr().err
    assert (folder / "again/config.json").read_bytes() == (folder / "out/config.json").read_bytes()


def test_a_model_that_needs_the_whole_slide_is_refused(tiny: Tiny) -> None:
    stains = StainFacts(vectors=((0.65, 0.7, 0.29), (0.07, 0.99, 0.11)), strengths=(1.0, 1.0))
    with pytest.raises(CheckpointError, match=r"stain\.normalise"):
        as_torchscript(Checkpoint.load(tiny.model).with_facts(stains=stains))
