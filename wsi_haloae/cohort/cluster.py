"""Where slides are scored: on a temporary Dask cluster on this machine, or on an existing cluster."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
import psutil
import torch
from distributed import Client, LocalCluster
from distributed.comm.addressing import parse_address
from distributed.comm.registry import get_backend
from distributed.security import Security

from wsi_haloae.cohort.credentials import client_security, is_encrypted
from wsi_haloae.cohort.tls_files import OPTIONS, TlsFiles
from wsi_haloae.errors import UsageError
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.processors.freed_memory import AS_ENVIRONMENT
from wsi_haloae.processors.threads import asked_threads
from wsi_haloae.progress import Reporter, with_noun

GPU = "GPU"
"""The Dask resource that marks workers for scoring, in a cluster that also has other workers."""
LOOPBACK = "127.0.0.1"
GPU_BYTES = 40 << 30
"""Memory of a GPU for each slide that is computed on it at once: the largest batch of the largest preset, and room."""
SHARED_BYTES = 8 << 30
"""Memory of a GPU from which processes take turns at it: for each a context of CUDA and a model, and batches of one."""
SLIDES_PER_GPU = 2
"""While one is opened, or its files are written, the other is computed; and each process reads by itself."""
WORKER_BYTES = 3 << 30
"""Memory that a worker may need: the model and torch, shards read ahead, and the exports of a large slide."""
CONNECT_SECONDS = 10
INNOCENT_DEATHS = 100
"""Dask blames every slide that was assigned to a dead worker; `cohort.attempts` knows which was begun."""


@dataclass(frozen=True)
class ClusterOptions:
    """``--scheduler`` with its certificates, and ``--slides-at-once``. None: this machine, and as many as fit it."""

    scheduler: str | None
    slides_at_once: int | None
    tls: TlsFiles | None = None


@dataclass(frozen=True)
class Cluster:
    """A connected client, the resources that a slide needs, and how this machine is shared if the cluster is local.

    ``threads`` CPU threads compute a slide (None: the worker decides). ``sharing`` slides share the reader threads.
    ``turns`` is a folder for the locks of devices whose memory holds one slide at a time, if there are such.
    """

    client: Client
    resources: Mapping[str, float]
    threads: int | None = None
    sharing: int = 1
    turns: Path | None = None


@contextmanager
def connected(
    options: ClusterOptions, threads: int | None, device: torch.device, slides: int, reporter: Reporter
) -> Iterator[Cluster]:
    """A cluster for ``slides`` slides, each computed on ``threads`` threads (None: the cores are divided among them).

    A local cluster is closed at the end. Raises `UsageError` for a scheduler that cannot be used.
    """
    if options.scheduler is not None:
        with _remote(options.scheduler, options.tls, threads, reporter) as cluster:
            yield cluster
        return
    with _local(options.slides_at_once, threads, device, slides, reporter) as cluster:
        yield cluster


@contextmanager
def _remote(address: str, tls: TlsFiles | None, threads: int | None, reporter: Reporter) -> Iterator[Cluster]:
    with _client(address, tls) as client:
        if not is_encrypted(address):
            reporter.warn(
                f"scheduler {address}: anyone who can reach this address can run code as you. docs/studies.md explains "
                "how to secure it."
            )
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        resources = {GPU: 1.0} if any(GPU in worker["resources"] for worker in workers) else {}
        where = " with a GPU" if resources else ""
        able = sum(GPU in worker["resources"] or not resources for worker in workers)
        found = f"{with_noun(able, 'worker')}{where}"
        reporter.line(f"scheduler {address}: {found}; Dask's dashboard {client.dashboard_link}")
        if not workers:
            reporter.warn(f"scheduler {address}: no workers yet; scoring starts when some connect.")
        yield Cluster(client, resources, threads)


def _client(address: str, tls: TlsFiles | None) -> Client:
    try:
        get_backend(parse_address(address)[0])  # otherwise a client that fails to start warns when it is deleted
        security = client_security(address, tls)
        return Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: encryption is required by the configuration
        if is_encrypted(address):
            raise UsageError(
                f"--scheduler {address}: no Dask scheduler that accepts these certificates answers there ({error})."
            ) from None
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}). If yours uses TLS, write tls:// in "
            f"place of {parse_address(address)[0]}:// and pass {OPTIONS}."
        ) from None


@contextmanager
def _local(
    asked: int | None, option: int | None, device: torch.device, slides: int, reporter: Reporter
) -> Iterator[Cluster]:
    own = asked_threads(option)
    workers = min(slides, asked or fitting_workers(device, own or 1))
    threads = own or max(1, available_cores() // workers)
    numeric = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    settings = {
        # Dask's default makes glibc return every freed block at once, and a model takes 1.4 times as long.
        "distributed.nanny.pre-spawn-environ": {**numeric, **AS_ENVIRONMENT},
        "distributed.scheduler.allowed-failures": INNOCENT_DEATHS,
        # It keeps call stacks of the last hour, second by second: 100 MB and more.
        "distributed.worker.profile.enabled": False,
    }
    with (
        tempfile.TemporaryDirectory() as locks,
        _no_word_of_semaphores(),
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            security=Security.temporary(),  # otherwise other users of this machine could run code as this user
            dashboard_address=f"{LOOPBACK}:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        reporter.line(f"{with_noun(workers, 'slide')} at once, {with_noun(threads, 'thread')} each")
        reporter.detail(f"Dask's dashboard {client.dashboard_link}")
        if asked is None and taken_by_turns(device):  # only who has the turn reads
            yield Cluster(client, {}, threads, sharing=-(-workers // SLIDES_PER_GPU), turns=Path(locks))
        else:
            yield Cluster(client, {}, threads, sharing=workers)


@contextmanager
def _no_word_of_semaphores() -> Iterator[None]:
    """Keep Python's resource tracker, a process of its own, from warning of "leaked" semaphores after Ctrl-C.

    It removes them itself; there is nothing for anybody to do.
    """
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def fitting_workers(device: torch.device, threads: int) -> int:
    """Slides at once on this machine: two per GPU, or as many with ``threads`` each as fit cores; as memory allows."""
    by_memory = psutil.virtual_memory().available // WORKER_BYTES
    if device.type == "cuda":
        gpus = _memory_of_gpus(device)
        at_most = sum(SLIDES_PER_GPU if memory >= SHARED_BYTES else 1 for memory in gpus)
        return int(max(len(gpus), min(at_most, by_memory)))
    if device.type != "cpu":
        return 1
    # One core each by default: finding tissue and writing exports do not use a second core.
    return int(max(1, min(available_cores() // threads, by_memory)))


def taken_by_turns(device: torch.device) -> bool:
    """Whether the slides that share a GPU are computed one after the other, because its memory holds one at a time."""
    return device.type == "cuda" and min(_memory_of_gpus(device)) < SLIDES_PER_GPU * GPU_BYTES


def _memory_of_gpus(device: torch.device) -> list[int]:
    gpus = range(torch.cuda.device_count()) if device.index is None else [device.index]
    return [torch.cuda.get_device_properties(number).total_memory for number in gpus]
