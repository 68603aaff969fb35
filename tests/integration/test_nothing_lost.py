"""Kills, full disks, slides that go, memory that runs out: a rerun ends with the bytes of a quiet run."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from benchmarks.forked import COMMAND, start
from benchmarks.killing import count_shards, kill_and_compare
from tests.integration.conftest import Tiny
from tests.integration.test_score import digests, score, table
from wsi_haloae.scoring import scorer
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.reading import SlideTiles
from wsi_haloae.workspace.lock import LOCK_NAME


def scoring(
    tiny: Tiny, output: Path, *more: str, before: Sequence[Callable[[], object]] = ()
) -> tuple[BaseProcess, Path]:
    """`score` in a process of its own, and the file with what it says."""
    said = output.with_suffix(".txt")
    command = ["score", tiny.slide, "--model", tiny.model, "-o", output, "-q", *more]
    return start(COMMAND, *command, said=said, before=before), said


@pytest.mark.parametrize(
    ("kills", "keep"), [(3, []), (2, ["--keep-tiles"])], ids=["straight to the model", "through the store"]
)
def test_killed_at_random_moments(kills: int, keep: list[str], tiny: Tiny, tmp_path: Path) -> None:
    """Few kills here; benchmarks/kill_score.py does the same 20 times for docs/performance.md."""

    def counted(output: Path) -> BaseProcess:
        changes = [partial(torch.set_num_threads, 2), partial(count_shards, output.with_suffix(".count"))]
        return scoring(tiny, output, *keep, before=changes)[0]

    row = kill_and_compare(counted, tmp_path, kills, seed=0)
    assert row["differing"] == []
    assert row["files"] > 30
    assert row["shards_scored_again"] <= kills


def test_both_ways_of_the_pixels_give_the_same_scores(tiny: Tiny, tmp_path: Path) -> None:
    assert score(tiny, tmp_path / "straight") == 0
    assert score(tiny, tmp_path / "stored", "--keep-tiles") == 0
    straight, stored = (digests(tmp_path / name / "tiny") for name in ("straight", "stored"))
    assert straight == {name: digest for name, digest in stored.items() if not name.startswith("tiles.zarr")}
    assert len(stored) > len(straight)


def test_a_second_run_on_one_output_refuses_and_a_kill_frees_it(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    process, _ = scoring(tiny, output)
    _wait_for((output / "tiny/scores.zarr").exists, process)
    _signal(process, signal.SIGSTOP)
    try:
        assert score(tiny, output) == 2
        assert f"process {process.pid}" in capsys.readouterr().err
        assert not (output / "tiny/run.json").exists()
    finally:
        process.kill()
        process.join()
    assert (output / "tiny" / LOCK_NAME).exists()
    assert score(tiny, output) == 0


def test_an_interrupted_run_says_so_and_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    assert score(tiny, tmp_path / "quiet") == 0
    # Tests in the background of a shell ignore Ctrl-C, and so would a child.
    listening = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process, said = scoring(tiny, tmp_path / "out", before=[listening])
    _wait_for((tmp_path / "out/tiny/scores.zarr/shards/000000.bin").exists, process)
    _signal(process, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    assert "to continue, give the same command again" in said.read_text()
    assert score(tiny, tmp_path / "out") == 0
    assert digests(tmp_path / "out/tiny") == digests(tmp_path / "quiet/tiny")


def test_a_resume_computes_on_the_threads_that_it_is_given(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number changes no byte."""
    plain, seen = scorer.side_by_side, list[int]()

    def watched(function: Any, batches: Any, threads: int) -> list[Any]:
        if seen == [1]:
            seen.append(0)
            raise KeyboardInterrupt
        seen.append(threads)
        return plain(function, batches, threads)

    monkeypatch.setattr(scorer, "side_by_side", watched)
    assert score(tiny, tmp_path / "out", "--threads", "1") == 130
    assert score(tiny, tmp_path / "out", "--threads", "3") == 0
    assert seen[:3] == [1, 0, 3]
    assert set(seen[2:]) == {3}
    assert json.loads((tmp_path / "out/tiny/run.json").read_text())["compute"]["threads"] == 1
    assert score(tiny, tmp_path / "quiet", "--threads", "1") == 0
    assert digests(tmp_path / "out/tiny") == digests(tmp_path / "quiet/tiny")


def test_interrupted_within_a_batch_of_several_shards(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is computed whole again, and only what is missing of it is written."""
    wide = ("--batch-size", "128")
    begin, begun = Scorer.begin, list[int]()
    monkeypatch.setattr(Scorer, "begin", lambda s, tiles, **more: begun.append(len(tiles)) or begin(s, tiles, **more))
    assert score(tiny, tmp_path / "quiet", *wide) == 0
    plain, written = ScoreStore.write_shard, list[int]()

    def once(store: ScoreStore, shard: int, *rest: Any) -> None:
        if written == [0]:
            written.append(-1)
            raise KeyboardInterrupt
        written.append(shard)
        plain(store, shard, *rest)

    monkeypatch.setattr(ScoreStore, "write_shard", once)
    quiet = begun[:]
    assert set(quiet[:-1]) == {128}
    assert score(tiny, tmp_path / "out", *wide) == 130
    begun.clear()
    assert score(tiny, tmp_path / "out", *wide) == 0
    assert begun == quiet
    assert written == [0, -1, *range(1, ScoreStore.open(tmp_path / "out/tiny/scores.zarr").shards)]
    assert len(written) > 3
    assert digests(tmp_path / "out/tiny") == digests(tmp_path / "quiet/tiny")
    assert json.loads((tmp_path / "out/tiny/run.json").read_text())["compute"]["batch_size"] == 128


def test_memory_runs_out_within_a_batch_of_several_shards(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is scored in smaller batches, an interrupted run goes on with these, and no score differs."""
    plain, calls = Scorer._score_batch, list[int]()

    def greedy(scorer: Scorer, batch: torch.Tensor, *, keep_maps: bool) -> dict[str, torch.Tensor]:
        calls.append(scorer.batch_size)
        if scorer.batch_size > SHARD_TILES and len(calls) > 1:
            raise torch.OutOfMemoryError("no room")
        return plain(scorer, batch, keep_maps=keep_maps)

    write, written = ScoreStore.write_shard, list[int]()

    def once(store: ScoreStore, shard: int, *rest: Any) -> None:
        if len(written) == 5:
            written.append(-1)
            raise KeyboardInterrupt
        written.append(shard)
        write(store, shard, *rest)

    monkeypatch.setattr(ScoreStore, "write_shard", once)
    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "_score_batch", greedy)
        assert score(tiny, tmp_path / "out", "--batch-size", "256", "--threads", "1") == 130
        assert score(tiny, tmp_path / "out", "--batch-size", "256", "--threads", "1") == 0
    assert calls[:4] == [256, 256, 128, 64]
    assert written == [0, 1, 2, 3, 4, -1, 5]
    assert score(tiny, tmp_path / "quiet", "--batch-size", "64", "--threads", "1") == 0
    found, expected = (ScoreStore.open(tmp_path / name / "tiny/scores.zarr").read("score") for name in ("out", "quiet"))
    assert np.array_equal(found, expected)


def test_killed_between_the_last_score_and_the_gallery(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tile has its score then; the rerun only makes the gallery, and what is made from it."""
    with monkeypatch.context() as patch:
        patch.setattr(ScoreStore, "write_gallery", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert score(tiny, tmp_path / "out") == 130
    begun = ScoreStore.open(tmp_path / "out/tiny/scores.zarr")
    assert begun.pending_shards() == []
    assert not begun.finished
    calls: list[str] = []
    for name, plain in (("score", Scorer.score), ("maps", Scorer.maps)):
        monkeypatch.setattr(Scorer, name, lambda *a, name=name, plain=plain, **b: calls.append(name) or plain(*a, **b))
    assert score(tiny, tmp_path / "out") == 0
    assert calls == ["maps"]
    assert score(tiny, tmp_path / "quiet") == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "quiet")


def test_shards_that_were_lost_or_damaged_meanwhile_are_scored_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ScoreStore, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert score(tiny, tmp_path / "out") == 130
    lost, flipped, *_ = sorted((tmp_path / "out/tiny/scores.zarr/shards").iterdir())
    lost.unlink()
    raw = bytearray(flipped.read_bytes())
    raw[len(raw) // 2] ^= 1
    flipped.write_bytes(raw)
    assert score(tiny, tmp_path / "out") == 0
    assert f"shards/{flipped.name} is not what was written there; its tiles are done again" in capsys.readouterr().err
    assert score(tiny, tmp_path / "quiet") == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "quiet")


def test_a_full_disk_is_said_and_the_rerun_completes(tiny: Tiny, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the kernel refuses to write in the same way."""
    limit = 200_000  # bytes: less than a shard of pixels
    small = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    process, said = scoring(tiny, tmp_path / "out", "--keep-tiles", before=[small])
    process.join(60)
    assert process.exitcode == 2
    assert "File too large" in said.read_text()
    assert "unexpected" not in said.read_text()
    assert json.loads((tmp_path / "out/tiny/run.json").read_text())["state"] == "failed"
    for output in ("out", "quiet"):
        assert score(tiny, tmp_path / output, "--keep-tiles") == 0
    assert digests(tmp_path / "out/tiny") == digests(tmp_path / "quiet/tiny")


def test_a_slide_that_goes_half_way_is_a_failure_until_it_is_back(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slide, away = tmp_path / "tiny.tif", tmp_path / "away"
    shutil.copy(tiny.slide, slide)
    plain = SlideTiles.read_tile

    def going(tiles: SlideTiles, number: int) -> object:
        if number == 3 * SHARD_TILES + 5 and slide.exists():
            shutil.copy(slide, away)
            os.truncate(slide, 0)  # what is open has nothing more to give, either
            slide.unlink()
        return plain(tiles, number)

    with monkeypatch.context() as patch:
        patch.setattr(SlideTiles, "read_tile", going)
        assert score(tiny, tmp_path / "out", "-n", "1", slide=slide) == 2
    assert "no longer be reached" in capsys.readouterr().err
    begun = ScoreStore.open(tmp_path / "out/tiny/scores.zarr")
    assert 0 < len(begun.pending_shards()) < begun.shards
    assert not begun.unreadable()
    away.rename(slide)
    assert score(tiny, tmp_path / "out", slide=slide) == 0
    assert score(tiny, tmp_path / "quiet") == 0
    assert table(tmp_path / "out/tiny") == table(tmp_path / "quiet/tiny")


def test_out_of_memory_lowers_the_batch_and_is_written_down(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Scorer._score_batch

    def greedy(scorer: Scorer, *tiles: np.ndarray, keep_maps: bool) -> TileScores:
        if scorer.batch_size > 4:
            raise torch.OutOfMemoryError("of 80 GiB none is left")
        return plain(scorer, *tiles, keep_maps=keep_maps)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "_score_batch", greedy)
        assert score(tiny, tmp_path / "out", "-b", "16") == 0
    compute = ScoreStore.open(tmp_path / "out/tiny/scores.zarr").header.compute
    assert (compute.batch_size, compute.lowered_from) == (4, 16), "16 is what it was begun with"
    record = json.loads((tmp_path / "out/tiny/run.json").read_text())
    assert any("out of memory with 16 tiles" in warning for warning in record["warnings"])
    assert score(tiny, tmp_path / "four", "-b", "4") == 0
    assert table(tmp_path / "out/tiny") == table(tmp_path / "four/tiny")


def test_out_of_memory_with_a_single_tile_is_a_clear_failure(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hopeless(*_arguments: object, **_options: object) -> TileScores:
        raise torch.OutOfMemoryError("none is left")

    monkeypatch.setattr(Scorer, "_score_batch", hopeless)
    assert score(tiny, tmp_path / "out", "-b", "2") == 2
    assert "single tile" in capsys.readouterr().err


def _wait_for(happened: Callable[[], bool], process: BaseProcess) -> None:
    while not happened():
        assert process.is_alive(), "over before it could be interrupted"
        time.sleep(0.01)


def _signal(process: BaseProcess, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def test_a_truncated_slide_is_scored_as_far_as_it_goes(tiny: Tiny, tmp_path: Path) -> None:
    """Half of the file's bytes: what lies behind them is unreadable, named with its reason, and the exit code is 1."""
    torso = tmp_path / "tiny.tif"
    shutil.copy(tiny.slide, torso)
    with tifffile.TiffFile(torso) as tiff:
        page = tiff.pages[0]
        places = sorted(zip(page.dataoffsets, page.databytecounts, strict=True))
    assert score(tiny, tmp_path / "quiet", "--adapt", "none") == 0  # else each score depends on the slide's others
    lost = places[len(places) // 2 :]
    with torso.open("r+b") as stream:  # the directories lie behind the pixels, so the tail is blanked, not cut
        for offset, length in lost:
            stream.seek(offset)
            stream.write(b"\0" * length)
    assert score(tiny, tmp_path / "out", "--adapt", "none", slide=torso) == 1
    rows, whole = table(tmp_path / "out/tiny"), table(tmp_path / "quiet/tiny")
    states = {row["state"] for row in rows}
    assert states == {"scored", "unreadable"}
    scores = {(row["row"], row["column"]): row["score"] for row in whole}
    assert all(scores.get((row["row"], row["column"]), row["score"]) == row["score"] for row in rows if row["score"])
    told = json.loads((tmp_path / "out/tiny/run.json").read_text())["unreadable"]
    assert len(told) == sum(row["state"] == "unreadable" for row in rows)
    assert all("cannot be decoded" in one["reason"] for one in told)
    places_told = {(str(one["row"]), str(one["column"]), str(one["x"]), str(one["y"])) for one in told}
    assert places_told == {
        (row["row"], row["column"], row["x"], row["y"]) for row in rows if row["state"] == "unreadable"
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    assert score(tiny, tmp_path / "out") == 2
    assert "Permission denied" in capsys.readouterr().err
