"""Jobs that end: lost ones are replaced, and where none can become a worker the run ends and says why."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from dask_jobqueue.core import Job, JobQueueCluster

from wsi_haloae.cli.main import run
from wsi_haloae.cohort import jobs, slurm
from wsi_haloae.progress import Reporter

SUBMIT = """
cp "$1" "$0.$$"
setsid sh "$0.$$" > "$0.$$.log" 2>&1 &
echo $!
"""


class ShellJob(Job):
    """A job of a queue that starts each at once, in the background of a shell."""

    cancel_command = "kill"
    config_name = "local"

    def __init__(self, *given: Any, submit: str, **settings: Any) -> None:
        super().__init__(*given, shebang="#!/bin/sh", **settings)
        self.submit_command, self.job_header = submit, ""


def alive() -> frozenset[str]:
    ended = {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    return frozenset(str(one.pid) for one in psutil.process_iter(["status"]) if one.info["status"] not in ended)


@pytest.fixture
def shell_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., JobQueueCluster]:
    (tmp_path / "submit.sh").write_text(SUBMIT)
    monkeypatch.setattr(jobs, "EVERY_SECONDS", 0.5)

    def started(**settings: Any) -> JobQueueCluster:
        return JobQueueCluster(
            job_cls=ShellJob, submit=f"sh {shlex.quote(str(tmp_path / 'submit.sh'))}", cores=1, memory="1GB",
            worker_extra_args=["--no-nanny"], interface="lo",
            scheduler_options={"dashboard_address": "127.0.0.1:0"}, **settings,
        )  # fmt: skip

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"}):
        yield started


def until(true: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_job_that_ends_is_replaced(shell_cluster: Callable[..., JobQueueCluster]) -> None:
    with shell_cluster() as cluster, jobs.kept(cluster, 1, alive, Reporter()):
        connected = cluster.scheduler_info["workers"]
        until(lambda: connected)
        [first], [job] = list(connected), [psutil.Process(int(job.job_id)) for job in cluster.workers.values()]
        for process in (job, *job.children()):
            process.kill()
        until(lambda: connected and first not in connected)


def test_jobs_that_never_become_workers_end_the_run(
    shell_cluster: Callable[..., JobQueueCluster], capsys: pytest.CaptureFixture[str]
) -> None:
    with shell_cluster(python="false") as cluster, jobs.kept(cluster, 2, alive, Reporter()):
        until(lambda: cluster.status.name == "closed")
    said = capsys.readouterr().err
    assert said.count("ended before its worker could connect") == 2
    assert "no job could become a worker" in said


def test_ctrl_c_interrupts_the_recipe_although_dask_jobqueue_hides_it(tmp_path: Path) -> None:
    (tmp_path / "study.csv").touch()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        study, out = str(tmp_path / "study.csv"), str(tmp_path / "out")
        assert run(["recipe", "cohort_slurm", study, "-m", study, "-o", out, "--cluster", "none"]) == 2
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="SLURM is not installed")
def test_slurm_says_which_jobs_it_could_never_run_and_which_wait() -> None:
    small = "#!/bin/sh\n#SBATCH --cpus-per-task=1 --time=1\nsleep 60\n"
    assert slurm.refusal(small) is None
    assert "not available" in (slurm.refusal(small.replace("task=1", "task=9999")) or "")
    assert "nosuch" in (slurm.refusal(small.replace("--time", "--partition=nosuch --time")) or "")
    submitted = subprocess.run(
        ["sbatch", "--parsable", "--hold", "--output=/dev/null"],
        input=small, check=True, capture_output=True, text=True,
    )  # fmt: skip
    job = submitted.stdout.strip()
    assert job in (slurm.queued() or ())
    subprocess.run(["scancel", job], check=True)
    assert job not in (slurm.queued() or ())
