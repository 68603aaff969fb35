"""Options that contradict a run that is finished, or begun: refused or named, never ignored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import TINY, Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_as import ScoredAs


@pytest.fixture
def scored(tiny: Tiny, tmp_path: Path) -> list[str]:
    """The command that scored a slide."""
    command = ["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(tmp_path / "out"), "--batch-size", "4"]
    assert run([*command, "-q"]) == 0
    return command


def said(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = run(command)
    return code, " ".join(capsys.readouterr().err.split())


def test_the_same_options_are_no_contradiction(scored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said([*scored, "--precision", "float32"], capsys)
    assert code == 0
    assert "scored already" in text
    assert "no effect" not in text


def test_another_precision_is_refused(scored: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tmp_path / "out/tiny/tiles.csv").read_bytes()
    code, text = said([*scored, "--precision", "bfloat16"], capsys)
    assert code == 2
    assert "scored in float32, but --precision bfloat16 was given" in text
    assert "--overwrite" in text
    assert (tmp_path / "out/tiny/tiles.csv").read_bytes() == before


def test_another_batch_size_or_number_of_threads_is_named(
    scored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said([*scored[:-1], "8", "--threads", "7"], capsys)
    assert code == 0
    assert "--batch-size 8 has no effect here. The slide was begun with 4" in text
    assert "--threads 7 has no effect here" in text


def test_rules_that_were_not_computed_are_not_promised(scored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said([*scored, "--all-rules"], capsys)
    assert code == 2
    assert "--all-rules was given, but" in text
    assert "--overwrite" in text


def test_scores_by_all_rules_do_without_the_option(
    scored: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out/tiny/scores.zarr"
    usual = ScoreStore.open(path)
    assert run([*scored, "--all-rules", "--overwrite", "-q"]) == 0
    every = ScoreStore.open(path)
    assert set(every.header.rules) - set(usual.header.rules) >= {"ssim", "ssim_p95"}
    assert not np.isnan(every.read("layer_dissimilarities")).any()
    assert ScoredAs.of(every.header, None) == ScoredAs.of(usual.header, None), "they may be judged together"
    code, text = said(scored, capsys)
    assert code == 0
    assert "scored already" in text


def test_tiles_that_were_not_kept_are_not_promised(scored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said([*scored, "--keep-tiles"], capsys)
    assert code == 2
    assert "--keep-tiles was given, but" in text
    assert "wsi-haloae tile" in text


def trained(tiny: Tiny) -> list[str]:
    """The command that trained the tiny model."""
    command = ["train-tiles", str(tiny.slide), "-o", str(tiny.model), "--annotations", str(tiny.truth)]
    return [*command, "--class", "Tumor", "--tile-size", "64", *TINY]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--set", "training.seed=9", "--set", "loss.cls=false"], "other groups or split, loss.cls, training.seed."),
        (["--balance", "slide"], "other --balance."),
        (["--min-coverage", "0.9"], "differs in: chosen tiles"),
    ],
)
def test_a_training_is_refused_by_what_differs(
    tiny: Tiny, more: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said([*trained(tiny), *more], capsys)
    assert code == 2
    assert named in text
    assert "--overwrite" in text


def test_tiles_that_are_cut_already_are_not_cut_otherwise(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tile", str(tiny.slide), "-o", str(tmp_path / "tiles"), "--tile-size", "64", "-q"]) == 0
    for option, value, found in (("--tile-size", "128", 64), ("--stride", "32", 64), ("--mpp-target", "1", 0.5)):
        command = ["train-tiles", str(tmp_path / "tiles"), "-o", str(tmp_path / "m.safetensors"), option, value]
        code, text = said(command, capsys)
        assert code == 2
        assert f"{option} {value} was given, but these tiles were cut with {found}" in text
