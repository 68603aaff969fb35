"""A tiny synthetic slide and a tiny trained model, made once for all integration tests, whichever process runs them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from benchmarks.forked import start
from tests.made_once import made_once
from wsi_haloae.baselines import by_cell
from wsi_haloae.cli.main import run
from wsi_haloae.synthetic.slide import write_synthetic_slide

TINY = [
    "--config", "demo", "--set", "training.steps=6", "--set", "training.steps_per_epoch=2",
    "--set", "training.statistics_tiles=16", "--set", "training.validation_tiles=4",
]  # fmt: skip


class Tiny(NamedTuple):
    slide: Path
    truth: Path
    model: Path


@pytest.fixture(scope="session", autouse=True)
def default_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As many threads as a process of its own uses: unit tests may have left fewer, and counts are recorded."""
    folder = tmp_path_factory.mktemp("threads")
    (folder / "count.py").write_text("import torch; print(torch.get_num_threads())")
    start(folder / "count.py", said=folder / "said.txt").join()
    torch.set_num_threads(int((folder / "said.txt").read_text()))


@pytest.fixture(scope="session", autouse=True)
def short_flows() -> Iterator[None]:
    """One pass for CFlow-AD in this process: tests/baselines has how well it learns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_cell, "PASSES", 1)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny_in(made_once(tmp_path_factory, "tiny", train_tiny))


@pytest.fixture(scope="session")
def adapting_model(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rule adapts, whatever its training would choose."""

    def make(folder: Path) -> None:
        train(tiny._replace(model=folder / "model.safetensors"), "--set", "scoring.rule=descriptor")

    return made_once(tmp_path_factory, "adapting", make) / "model.safetensors"


@pytest.fixture(scope="session")
def adapted_slides(tiny: Tiny, adapting_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What that model leaves of the slide; not to be written to."""
    output = tmp_path_factory.mktemp("adapted")
    assert run(["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(output), "-q"]) == 0
    return output


def tiny_in(folder: Path) -> Tiny:
    return Tiny(folder / "tiny.tif", folder / "tiny.geojson", folder / "model.safetensors")


def train_tiny(folder: Path) -> Tiny:
    tiny = tiny_in(folder)
    write_synthetic_slide(tiny.slide, width=2048, height=1536, seed=3).write_geojson(tiny.truth)
    train(tiny)
    return tiny


def train(tiny: Tiny, *more: str) -> None:
    command = ["train-tiles", str(tiny.slide), "-o", str(tiny.model), "--annotations", str(tiny.truth)]
    assert run([*command, "--class", "Tumor", "--tile-size", "64", *TINY, *more, "-q"]) == 0
