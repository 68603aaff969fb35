"""A flag and a format that are only a row in their table, from training to the viewer."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.export import made_up
from tests.export.pages import Page
from tests.integration.conftest import Tiny, train_tiny
from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.artefacts.flags import FLAGS, ArtefactFlag, Unit
from wsi_haloae.cli.main import run
from wsi_haloae.errors import StoreError
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.facts import slide_facts
from wsi_haloae.viewer.opened import OpenedSlides


def paleness(density: TileDensity) -> float:
    """Mean optical density of the tile: >= 0, no unit."""
    return float(density.cells.mean())


PALE = ArtefactFlag(
    bit=1 << len(FLAGS),  # the next one
    words="too pale",
    colour="#00ff00",
    meaning="little stain",
    quantity="paleness",
    measure=paleness,
    unit=Unit.NUMBER,
    condition="density below {}",
    bound=0.25,
    flags_below=True,
)


def score(tiny: Tiny, output: Path, *more: str) -> Path:
    assert run(["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(output), "-q", *more]) == 0
    return output / tiny.slide.stem


def flags_in_table(folder: Path) -> list[list[str]]:
    with (folder / "tiles.csv").open(newline="") as file:
        return [line["flags"].split(";") for line in csv.DictReader(file)]


def test_a_new_flag_is_calibrated_scored_stored_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FLAGS, "too_pale", PALE)
    tiny = train_tiny(tmp_path)
    limits = Checkpoint.load(tiny.model).facts.artefacts
    assert limits is not None
    _, limit = limits.known()["too_pale"]
    assert 0 < limit <= PALE.bound

    folder = score(tiny, tmp_path / "out")
    store = ScoreStore.open(folder / "scores.zarr")
    quantities, bits = store.read("artefacts"), store.read("flags")
    assert quantities.shape == (len(store), len(FLAGS))
    pale = quantities[:, -1] < limit
    assert 0 < pale.sum() < len(store)
    np.testing.assert_array_equal((bits & PALE.bit) > 0, pale)

    assert [("too_pale" in names) for names in flags_in_table(folder)] == pale.tolist()
    record = json.loads((folder / "run.json").read_text())
    assert record["counts"]["flagged"]["too_pale"] == pale.sum()
    assert record["model"]["artefacts"]["paleness"] == limit
    words = Page(folder / "report.html").words
    assert f"little stain density below {limit:.3g}" in words
    assert f"too pale {pale.sum()}" in Page(tmp_path / "out" / "index.html").words
    facts = slide_facts(OpenedSlides(find_scored(tmp_path / "out", pytest.fail), None).get(folder.name))
    assert (facts["flags"][-1]["bit"], facts["flags"][-1]["words"]) == (PALE.bit, "too pale")
    assert facts["flags"][-1]["colour"] == PALE.colour

    monkeypatch.delitem(FLAGS, "too_pale")  # an earlier version cannot say what the limit is of
    with pytest.raises(StoreError, match="'paleness'"):
        ScoreStore.open(folder / "scores.zarr")


def test_an_older_model_sets_no_new_flag_and_overwrite_removes_a_new_formats_file(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "made-up", made_up.row())
    folder = score(tiny, tmp_path)
    table, header = (folder / "tiles.csv").read_bytes(), ScoreStore.open(folder / "scores.zarr").header
    assert (folder / made_up.FILE).exists()

    monkeypatch.setitem(FORMATS, "made-up", made_up.row(is_default=False))
    monkeypatch.setitem(FLAGS, "too_pale", PALE)
    score(tiny, tmp_path)  # finished before, and still is
    assert (folder / made_up.FILE).exists()
    score(tiny, tmp_path, "--overwrite")
    assert not (folder / made_up.FILE).exists()
    assert (folder / "tiles.csv").read_bytes() == table
    assert ScoreStore.open(folder / "scores.zarr").header == header
    assert "too pale" not in Page(folder / "report.html").words
