"""A slide whose process waits for the GPU is opened meanwhile, and its tissue found; its files are the same."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pytest
from distributed import LocalCluster

from tests.cohort.conftest import Study, here, threads
from tests.integration.test_score import digests
from wsi_haloae.cohort import cluster
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.turns import turn
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.batch_result import ItemResult, attempt_slide
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput

PATIENCE = 60


def test_a_slide_is_made_ready_while_another_is_computed(study: Study, quiet: Path, tmp_path: Path) -> None:
    lock, folder = tmp_path / "cuda.lock", tmp_path / "out" / study.slides[0].stem
    run = ScoreRun.of(ScoreOptions(study.model, device="cpu", threads=threads()), lock)
    source = SlideInput(study.slides[0], folder.name, None, override_mpp=False)
    ended: list[ItemResult] = []

    def score() -> None:
        ended.append(attempt_slide(source, folder, run.score_one, "score", {}, Reporter(quiet=True)))

    waiting = Thread(target=score)
    with turn(lock):  # another process computes its slide
        waiting.start()
        end = time.monotonic() + PATIENCE
        while not (folder / STORE_NAME / "zarr.json").exists() and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.1)
        store = ScoreStore.open(folder / STORE_NAME)
        assert store.pending_shards() == list(range(store.shards)), "computed out of turn"
        assert waiting.is_alive()
    waiting.join(PATIENCE)
    assert [result.state for result in ended] == ["done"]
    assert digests(folder) == digests(quiet / folder.name)
    record = RunRecord.read(folder)
    assert record is not None
    assert list(record.seconds) == ["tissue", "waiting", "scoring", "exports"]


def test_workers_of_one_command_take_turns(
    study: Study, quiet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the user says how many slides are scored at once. Workers are threads here, which start sooner."""
    monkeypatch.setattr(cluster, "LocalCluster", lambda **given: LocalCluster(**given | {"processes": False}))
    monkeypatch.setattr(cluster, "taken_by_turns", lambda _device: True)
    monkeypatch.setattr(cluster, "fitting_workers", lambda _device, _threads: 1)
    asked = [*study.slides[:2], "-m", study.model, "-o", tmp_path, "--threads", str(threads())]
    assert here("score", *asked).code == 0
    for slide in study.slides[:2]:
        record = RunRecord.read(tmp_path / slide.stem)
        assert record is not None
        assert "waiting" in record.seconds
        assert digests(tmp_path / slide.stem) == digests(quiet / slide.stem)
