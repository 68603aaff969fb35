"""Many slides on workers in processes of their own: killed, given corrupt slides, asked again, on another scheduler."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cohort.conftest import AT_ONCE, Study, command, here, spelled, threads
from tests.integration.test_score import digests
from wsi_haloae.cli.main import run
from wsi_haloae.cohort.status import gather
from wsi_haloae.provenance.fingerprints import file_sha256

KILLED = 2


def rows(output: Path) -> dict[str, dict[str, str]]:
    with (output / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


def same_as_quiet(study: Study, output: Path, quiet: Path) -> None:
    for slide in study.slides:
        assert digests(output / slide.stem) == digests(quiet / slide.stem), slide.stem


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Processes below a command that compute: all that were spawned."""
    try:
        return [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
    except psutil.Error:
        return []


def until(what: Callable[[], object], process: subprocess.Popen[str] | None = None, seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_workers_killed_at_random_and_slides_corrupt(study: Study, quiet: Path, tmp_path: Path) -> None:
    """Every whole slide ends with the bytes of a quiet run; the others are told apart, and the exit code says so."""
    broken = tmp_path / "broken.tif"
    broken.write_bytes(study.slides[0].read_bytes()[:4000])
    manifest, output = tmp_path / "study.csv", tmp_path / "out"
    paths = [*study.slides[:2], broken, *study.slides[2:], tmp_path / "missing.tif"]
    manifest.write_text("path,patient,group\n" + "".join(f"{path},p{i // 2},g\n" for i, path in enumerate(paths)))
    asked = spelled("score", manifest, "-m", study.model, "-o", output, "--slides-at-once", str(AT_ONCE))
    process = subprocess.Popen(asked, stderr=subprocess.PIPE, text=True)
    draw = random.Random(0)
    for _ in range(KILLED):
        begun = list(output.glob("*/.begun"))
        until(lambda before=begun: [note for note in output.glob("*/.begun") if note not in before], process)
        time.sleep(draw.uniform(0, 1.5))
        workers: list[psutil.Process] = []
        until(lambda found=workers: found or found.extend(workers_of(process)), process)
        draw.choice(workers).kill()
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 1, said
    assert "Dask's dashboard" not in said
    if "set aside" in {row["state"] for row in rows(output).values()}:  # both kills hit the same slide
        again = here("score", manifest, "-m", study.model, "-o", output)
        assert again.code == 1
        said = again.err
    same_as_quiet(study, output, quiet)
    found = rows(output)
    assert [found[slide.stem]["state"] for slide in study.slides] == ["done"] * len(study.slides)
    assert found["broken"]["state"] == found["missing"]["state"] == "failed"
    assert "truncated or damaged" in found["broken"]["error"]
    assert found["slide0"]["patient"] == "p0"
    assert "failed: broken, missing" in said.splitlines()[-2] or "failed: missing, broken" in said.splitlines()[-2]
    assert "index.html" in said.splitlines()[-1]

    stamps = {slide.stem: (output / slide.stem / "run.json").stat().st_mtime_ns for slide in study.slides}
    shutil.copy(study.slides[0], broken)
    again = here("score", manifest, "-m", study.model, "-o", output, "-n", "1", "-v")
    assert again.code == 1
    assert "5 slides done (4 by an earlier run)" in again.err
    assert {name: (output / name / "run.json").stat().st_mtime_ns for name in stamps} == stamps, "done again"
    assert rows(output)["broken"]["state"] == "done"
    assert "missing" in again.err
    assert "in open_slide" in again.err, "-v: where a worker's failure comes from"
    assert re.search(r"^broken: tissue .* s, scoring .* s, exports .* s$", again.err, re.MULTILINE)

    told = here("status", output)
    assert told.code == 0
    assert f"{len(paths)} slides: {len(paths) - 1} done, 1 failed" in told.out
    assert "failed: missing" in told.out


KILLER = """
import os, signal
from wsi_haloae.runs.score import ScoreRun

def score_one(self, source, folder, record):
    if source.name == "slide1":
        os.kill(os.getpid(), signal.SIGKILL)
    return self.undisturbed(source, folder, record)

if not hasattr(ScoreRun, "undisturbed"):  # Dask runs this for nanny and worker
    ScoreRun.undisturbed, ScoreRun.score_one = ScoreRun.score_one, score_one
"""


def test_a_slide_that_kills_its_worker_twice_is_set_aside(study: Study, quiet: Path, tmp_path: Path) -> None:
    (tmp_path / "killer.py").write_text(KILLER)
    output = tmp_path / "out"
    asked = ["score", *study.slides, "-m", study.model, "-o", output, "--threads", str(threads())]
    done = command(*asked, "-n", str(AT_ONCE), DASK_DISTRIBUTED__WORKER__PRELOAD=str(tmp_path / "killer.py"))
    assert done.returncode == 1, done.stderr
    found = rows(output)
    assert found["slide1"]["state"] == "set aside"
    assert "2 workers died" in found["slide1"]["error"]
    others = [slide for slide in study.slides if slide.stem != "slide1"]
    assert [found[slide.stem]["state"] for slide in others] == ["done"] * len(others)
    for slide in others:
        assert digests(output / slide.stem) == digests(quiet / slide.stem)
    assert (output / "slide1/score.log").read_text().count("attempt") == 2
    assert "set aside: slide1: set aside" in here("status", output).out

    assert here(*asked, "-n", "1").code == 0, "the same command tries it again"
    same_as_quiet(study, output, quiet)


def test_workers_compute_as_asked_and_give_their_cores_away(study: Study, tmp_path: Path) -> None:
    """OpenMP says how often a waiting thread looks again before it sleeps: in the command and in both workers."""
    asked = ["score", *study.slides[:2], "-m", study.model, "-o", tmp_path, "--slides-at-once", "2", "--threads", "3"]
    done = command(*asked, "-v", OMP_DISPLAY_ENV="VERBOSE")
    assert done.returncode == 0, done.stderr
    spins = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    assert len(spins) >= 3
    assert set(spins) == {"0"}
    assert "2 slides at once, 3 threads each" in done.stderr
    assert "Dask's dashboard http://127.0.0.1" in done.stderr
    for slide in study.slides[:2]:
        assert json.loads((tmp_path / slide.stem / "run.json").read_text())["compute"]["threads"] == 3


def test_another_model_is_refused_before_anything_is_touched(study: Study, quiet: Path, tmp_path: Path) -> None:
    """And one slide by itself has a row like every other."""
    output = tmp_path / "out"
    shutil.copytree(quiet, output)
    assert rows(output)["slide0"]["state"] == "done"
    header = output / "slide1/scores.zarr/zarr.json"
    header.write_text(header.read_text().replace(file_sha256(study.model), "f" * 64))
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    done = here("score", *study.slides, "-m", study.model, "-o", output)
    assert done.code == 2
    assert "another model scored 1 of these slides there (slide1)" in done.err
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


@contextmanager
def cluster(folder: Path, *security: str) -> Iterator[str]:
    """A scheduler and two workers, one of which has a GPU, or says so; gives the address."""
    file = folder / "scheduler.json"
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"]
    known = ["--scheduler-file", str(file), *security]
    commands = [
        [*scheduler, *known],
        [*worker, *known, "--name", "plain"],
        [*worker, *known, "--name", "able", "--resources", "GPU=1"],
    ]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-m", *one], stderr=subprocess.DEVNULL, cwd=folder, env=variables)
        for one in commands
    ]
    try:
        until(file.exists)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def test_a_scheduler_that_runs_already(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slides go to its workers with a GPU, where it has some; relative paths are the command's own."""
    (tmp_path / "elsewhere").mkdir()
    with cluster(tmp_path) as address:
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            workers = client.scheduler_info(n_workers=-1)["workers"]
        able = next(where for where, worker in workers.items() if worker["name"] == "able")
        monkeypatch.chdir(tmp_path / "elsewhere")
        done = here("score", *study.slides[:2], "-m", study.model, "-o", "out", "--scheduler", address)
        assert done.code == 0, done.err
        assert "1 worker with a GPU" in done.err
        assert "anyone who can reach this address can run code as you" in done.err
        assert {row["worker"] for row in rows(tmp_path / "elsewhere/out").values()} == {able}
        assert {row["state"] for row in rows(tmp_path / "elsewhere/out").values()} == {"done"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
        (["--scheduler", "nonsense://x"], "no Dask scheduler answers"),
        (["--device", "cuda:77"], "not usable on this machine"),
    ],
)
def test_what_makes_every_slide_impossible(
    asked: list[str],
    told: str,
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("wsi_haloae.cohort.cluster.CONNECT_SECONDS", 1)
    given = ["score", *study.slides[:2], "-m", study.model, "-o", tmp_path, *asked]
    assert run([str(one) for one in given]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


LISTENING = """
import signal, sys
from wsi_haloae.cli.main import run
from wsi_haloae.cohort.status import gather
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell ignore Ctrl-C
sys.exit(run(sys.argv[1:]))
"""


def test_an_interrupted_study_says_so_and_goes_on(study: Study, quiet: Path, tmp_path: Path) -> None:
    asked = ["score", *study.slides[:2], "-m", study.model, "-o", tmp_path / "out", "--threads", str(threads())]
    command_line = [sys.executable, "-c", LISTENING, *spelled(*asked, "-n", str(AT_ONCE))[3:]]
    process = subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until(lambda: list((tmp_path / "out").glob("*/.begun")), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 130, said
    assert "to continue, give the same command again" in said
    assert "leaked" not in said
    assert not {row.state for row in gather(tmp_path / "out")} & {"running", "waiting"}
    assert here(*asked, "-n", "1").code == 0
    for slide in study.slides[:2]:
        assert digests(tmp_path / "out" / slide.stem) == digests(quiet / slide.stem)
