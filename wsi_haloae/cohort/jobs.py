"""Looks after the jobs that are a study's workers: lost ones are replaced, and ones that never begin are explained.

Dask submits jobs once. A job ends with its walltime or its node; without a new one, a study that outlasts its jobs
would wait for workers forever. A job may also end before its worker connects, which Dask does not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Protocol

from wsi_haloae.progress import Reporter

EVERY_SECONDS = 30.0
"""More than the 15 s after which Dask gives up a worker that it lost, so no lost one is taken for one never begun."""

Queued = Callable[[], frozenset[str] | None]
"""Tells the ids of the jobs that wait or run, or None."""


class SubmittedJob(Protocol):
    """A job of dask-jobqueue; it has no id until it is submitted."""

    job_id: str | None


class JobCluster(Protocol):
    """What is needed of dask-jobqueue's clusters."""

    @property
    def workers(self) -> Mapping[str, SubmittedJob]:
        """The jobs by the names of their workers."""

    @property
    def scheduler_info(self) -> Mapping[str, Any]:
        """Facts about the scheduler; ``workers`` has those that are connected."""

    def scale(self, *, jobs: int) -> None:
        """Submit as many jobs as are missing."""

    def close(self) -> None:
        """Cancel all jobs and end the scheduler."""


@contextmanager
def kept(cluster: JobCluster, jobs: int, queued: Queued | None, reporter: Reporter) -> Iterator[None]:
    """Keep ``jobs`` jobs of the cluster while the block runs; close it if none of them can become a worker."""
    over = Event()
    keeper = Thread(target=_keep, args=(cluster, jobs, queued, reporter, over), daemon=True)
    cluster.scale(jobs=jobs)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _keep(cluster: JobCluster, jobs: int, queued: Queued | None, reporter: Reporter, over: Event) -> None:
    began: set[str] = set()
    gone: set[str] = set()
    told: set[str] = set()
    while not over.wait(EVERY_SECONDS):
        cluster.scale(jobs=jobs)
        before, gone = gone, _gone(cluster, queued and queued(), began)
        for job in sorted(gone & before - told):
            reporter.warn(
                f"job {job} ended before its worker could connect, and is not submitted again. Its log says why: "
                f"slurm-{job}.out in this folder, unless your --cluster file sets another."
            )
            told.add(job)
        if len(told) >= jobs:
            reporter.error("no job could become a worker. Mend what their logs say, and run the same command again.")
            cluster.close()
            return


def _gone(cluster: JobCluster, alive: frozenset[str] | None, began: set[str]) -> set[str]:
    """Jobs that are in the queue no longer, and never were workers; ``began`` collects those that were."""
    jobs = {name: job.job_id for name, job in list(cluster.workers.items()) if job.job_id is not None}
    connected = [str(worker["name"]) for worker in list(cluster.scheduler_info["workers"].values())]
    # A job of several workers adds "-0", "-1" and so on to its name.
    began |= {job for name, job in jobs.items() if any(one == name or one.startswith(f"{name}-") for one in connected)}
    return set() if alive is None else set(jobs.values()) - alive - began
