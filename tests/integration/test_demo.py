"""The demo as users run it: HaloAE finds the stroma, mean colour does not."""

import json
from pathlib import Path

from wsi_haloae.cli.main import run


def test_haloae_sees_what_mean_colour_cannot(tmp_path: Path) -> None:
    assert run(["demo", "-o", str(tmp_path), "-q"]) == 0
    found = json.loads((tmp_path / "demo.json").read_text())["auroc"]
    assert found["HaloAE"] >= 0.9
    assert 0.4 <= found["mean colour"] <= 0.6
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["model.safetensors"]
    assert (tmp_path / "demo.png").exists()
