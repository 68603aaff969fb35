"""The demos as users run them: the model finds the stroma, mean colour does not, and the rule that scored is named."""

import json
from pathlib import Path

import pytest

from pipelines import demo_real
from wsi_haloae.cli.main import run
from wsi_haloae.config import autoencoder_words
from wsi_haloae.runs import demo
from wsi_haloae.runs.demo_steps import Example


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slides of less than half the area and a quarter of the steps; nothing else of the demo changes."""
    monkeypatch.setattr(demo, "SIDE", 4096)
    plain = demo.load_config
    monkeypatch.setattr(demo, "load_config", lambda name, base: plain(name, ["training.steps=100"], base=base))


@pytest.mark.usefixtures("smaller")
def test_the_model_sees_what_mean_colour_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["demo", "-o", str(tmp_path)]) == 0
    found, said = json.loads((tmp_path / "demo.json").read_text()), capsys.readouterr()
    areas, rule = found["auroc"], found["rule"]
    assert areas[f"rule {rule}"] >= 0.9
    assert 0.4 <= areas["mean colour"] <= 0.6
    assert f"score: {rule}, of" in said.err, "the rule that the training chose"
    assert "(scores by descriptor are calibrated by all parts)" in said.err
    assert "warning: only 1 slide or patient: train" in said.err
    assert autoencoder_words(rule) in said.out
    assert "HaloAE" not in said.out
    assert "The reference (tumor) should be blue in the heatmap, stroma red." in said.out
    assert "p-values: " in said.err.partition("training: ")[0], "what they take is said before the training"
    assert "Half of the held-out reference tiles" in said.err
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["model.safetensors"]
    assert (tmp_path / "demo.png").exists()

    slides = Example(tmp_path / "slides/train.tif", tmp_path / "slides/score.tif", "Tumor", "Stroma")
    monkeypatch.setattr(demo_real, "LIVER", slides)
    same = ["-o", str(tmp_path), "--config", "demo", "--set", "training.steps=100"]
    assert run(same, demo_real.main) == 0, "the recipe asks for what is done already, or it would be refused"
    assert json.loads((tmp_path / "demo.json").read_text()) == {"rule": rule, "auroc": areas}
    said = capsys.readouterr()
    assert "make demo-real WEIGHTS=FILE" in said.err, "what to do without internet, before the download is tried"
    assert said.out.splitlines()[-1].endswith(f"wsi-haloae view {tmp_path}")
    assert run([*same, "--weights", __file__], demo_real.main) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "from a training with other --weights (none). Leave --weights out, choose" in said
    assert f"With make: give WEIGHTS=FILE as the first time, or leave it out as then; or delete {tmp_path}." in said
