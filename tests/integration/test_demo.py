"""The demo as users run it: its model finds the stroma, mean colour does not, and the rule that scored is named."""

import json
from pathlib import Path

import pytest

from wsi_haloae.cli.main import run
from wsi_haloae.config import autoencoder_words
from wsi_haloae.runs import demo


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slides of less than half the area and a quarter of the steps; nothing else of the demo changes."""
    monkeypatch.setattr(demo, "SIDE", 4096)
    plain = demo.load_config
    monkeypatch.setattr(demo, "load_config", lambda name, base: plain(name, ["training.steps=100"], base=base))


@pytest.mark.usefixtures("smaller")
def test_the_model_sees_what_mean_colour_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-o", str(tmp_path)]) == 0
    found, said = json.loads((tmp_path / "demo.json").read_text()), capsys.readouterr()
    areas, rule = found["auroc"], found["rule"]
    assert areas[f"rule {rule}"] >= 0.9
    assert 0.4 <= areas["mean colour"] <= 0.6
    assert f"score: {rule};" in said.err, "the rule that the training chose"
    assert autoencoder_words(rule) in said.out
    assert "HaloAE" not in said.out
    assert "p-values: " in said.err.partition("training: ")[0], "what they take is said before the training"
    assert "Half of the held-out reference tiles score below" in said.err
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["model.safetensors"]
    assert (tmp_path / "demo.png").exists()
