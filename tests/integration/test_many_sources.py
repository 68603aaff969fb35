"""Training on many slides: annotations by manifest, and slides, patients or sites that come equally often."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import TINY
from wsi_haloae.cli.main import run
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.sources import CombinedSource
from wsi_haloae.training.batches import TrainingBatches

SIZES = {"a": (1536, 1536), "b": (768, 768), "c": (1024, 768), "d": (1536, 1024)}
PATIENTS = {"a": "p1", "b": "p2", "c": "p2", "d": "p3"}


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slides of three patients and two sites, of very different size; gives the folder of the manifest."""
    folder = tmp_path_factory.mktemp("slides")
    (folder / "drawn").mkdir()
    lines = ["path,patient,site,annotations"]
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        truth = write_synthetic_slide(folder / f"{name}.tif", width=width, height=height, seed=seed)
        truth.write_geojson(folder / f"drawn/of_{name}.geojson")
        lines.append(f"{name}.tif,{PATIENTS[name]},site {seed % 2},drawn/of_{name}.geojson")
    (folder / "study.csv").write_text("\n".join(lines) + "\n")
    return folder


def command(slides: Path, output: Path, *more: str) -> list[str]:
    sources = [str(slides / f"{name}.tif") for name in SIZES]
    asked = ["train-tiles", *sources, "-o", str(output), "--manifest", str(slides / "study.csv"), "--class", "Tumor"]
    return [*asked, "--tile-size", "64", *TINY, *more]


@pytest.mark.parametrize("by", ["slide", "patient", "site"])
def test_every_stratum_is_seen_as_often_as_any_other(
    by: str, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read off the tiles themselves, not off what the order says of them."""
    seen: list[str] = []
    plain = CombinedSource.read

    def read(self: CombinedSource, number: int) -> np.ndarray:
        part = int(np.searchsorted(np.cumsum([len(one.groups) for one in self.parts]), number, side="right"))
        seen.append(Path(self.parts[part].name).parent.name)
        return plain(self, number)

    def batch(self: TrainingBatches, step: int) -> tuple:
        monkeypatch.setattr(CombinedSource, "read", read)
        try:
            return whole(self, step)
        finally:
            monkeypatch.setattr(CombinedSource, "read", plain)

    whole = TrainingBatches.__getitem__
    monkeypatch.setattr(TrainingBatches, "__getitem__", batch)
    assert run(command(slides, tmp_path / "model.safetensors", "--balance", by)) == 0
    names = {
        "slide": {name: name for name in SIZES},
        "patient": PATIENTS,
        "site": {name: f"site {number % 2}" for number, name in enumerate(SIZES)},
    }[by]
    counts = Counter(names[slide] for slide in seen)
    assert len(seen) > 10
    assert max(counts.values()) - min(counts.values()) <= 1, counts
    assert f"{len(counts)} {by}s in training" in capsys.readouterr().err
    if by == "slide":  # what is balanced is a part of what a model is
        assert run(command(slides, tmp_path / "model.safetensors", "--balance", by, "-q")) == 0
        assert run(command(slides, tmp_path / "model.safetensors", "-q")) == 2


def test_what_nothing_names_cannot_be_balanced(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slides / "bare.csv").write_text(
        "path,patient,annotations\n" + "".join(f"{name}.tif,{name},drawn/of_{name}.geojson\n" for name in SIZES)
    )
    asked = command(slides, tmp_path / "model.safetensors", "--balance", "site")
    asked[asked.index("--manifest") + 1] = str(slides / "bare.csv")
    assert run(asked) == 2
    assert "nothing names the site of" in capsys.readouterr().err


def test_images_are_balanced_by_their_rows(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    folder, random = tmp_path / "tiles", np.random.default_rng(0)
    folder.mkdir()
    lines = ["path,patient,site"]
    for number in range(24):
        pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        assert decode_rgb(folder / f"{number}.png").shape == (64, 64, 3)
        lines.append(f"tiles/{number}.png,p{number // 4},{'north' if number < 20 else 'south'}")
    (tmp_path / "tiles.csv").write_text("\n".join(lines) + "\n")
    asked = ["train-tiles", str(folder), "-o", str(tmp_path / "m.safetensors"), "--mpp", "0.5", *TINY]
    asked += ["--manifest", str(tmp_path / "tiles.csv"), "--balance", "patient"]
    assert run(asked) == 0
    assert "patients in training" in capsys.readouterr().err
