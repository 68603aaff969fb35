"""Scores a study on a SLURM or PBS cluster: its jobs are Dask workers, to which `wsi-haloae score` sends slides.

    pip install 'wsi-haloae[cluster]'
    wsi-haloae recipe cohort_slurm study.csv -m model.safetensors -o OUT --cluster slurm --jobs 9

`slurm` is a file of settings, configs/cluster/slurm.yaml: copy it, and change what is different on your cluster.

Run it where jobs are submitted, e.g. in tmux on a login node: it runs the scheduler, which needs one core and little
memory. `wsi-haloae status OUT` shows the progress. Run the same command again to do what is missing. Arguments after
`--` are passed to `wsi-haloae score`.

Scheduler and workers talk over TLS, with a certificate made for this run. Its files are in OUT, readable only by you,
while the run lasts. `shared_temp_directory` in the settings puts them elsewhere (all nodes must see it).
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any, Literal

import click
import dask
import dask_jobqueue
import yaml
from dask_jobqueue.core import JobQueueCluster
from dask_jobqueue.local import LocalCluster
from distributed.security import Security
from pydantic import BaseModel, ConfigDict, ValidationError

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument
from wsi_haloae.cohort import slurm
from wsi_haloae.cohort.jobs import kept
from wsi_haloae.config.presets import preset_folder, preset_names
from wsi_haloae.errors import ConfigError, UsageError

CLUSTERS = {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster, "local": LocalCluster}
QUEUED = {"slurm": slurm.queued}
DASHBOARD = "127.0.0.1:0"
"""How to learn which jobs still wait or run; elsewhere a job that ends before its worker connects is not noticed."""
FILE = PathArgument(exists=True, dir_okay=False)


class ClusterFile(BaseModel):
    """The contents of a file in configs/cluster/."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["slurm", "pbs", "local"]
    settings: dict[str, Any]
    container: str | None = None
    """What stands before a command to run it in a container, e.g. ``apptainer exec --nv wsi-haloae.sif``."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("manifest", type=FILE)
@click.option(
    "-m",
    "--model",
    type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS),
    required=True,
    help="Checkpoint written by train-tiles.",
)
@click.option("-o", "--output", type=PathArgument(file_okay=False), required=True, help="Folder for the results.")
@click.option(
    "--cluster",
    "cluster_file",
    required=True,
    metavar="NAME|FILE",
    help="Settings of the cluster: slurm, pbs or local (jobs on this machine), or a copy of such a file.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Number of workers to request from the cluster.",
)
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def main(manifest: Path, model: Path, output: Path, cluster_file: str, jobs: int, more: tuple[str, ...]) -> int:
    """Score the slides of MANIFEST on JOBS workers of a cluster."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # dask-jobqueue made Ctrl-C end it as if all was done
    cluster_settings = read_cluster_file(find_cluster_file(cluster_file))
    require_submitter(cluster_settings.kind)
    reporter = options.reporter(quiet=False, verbose=False)
    given = ["score", str(manifest), "-m", str(model), "-o", str(output)]
    with closed_cluster(cluster_settings, output) as cluster:
        if cluster_settings.kind == "slurm":
            require_possible(cluster.job_script())
        with kept(cluster, jobs, QUEUED.get(cluster_settings.kind), reporter):
            return run([*given, "--scheduler", cluster.scheduler_address, *more])


def require_submitter(kind: str) -> None:
    """Raise `UsageError` where no jobs can be submitted: Dask would only say so in its log, and wait for them."""
    command = getattr(CLUSTERS[kind].job_cls, "submit_command", None)
    if command and which(command) is None:
        raise UsageError(
            f"--cluster: jobs of {kind} are submitted by {command}, which this machine does not have. Run this where "
            "jobs are submitted, such as a login node, or try the study on this machine with --cluster local."
        )


def require_possible(job_script: str) -> None:
    """Raise `UsageError` for a job that SLURM would refuse, or keep in its queue forever: Dask would wait for it."""
    refused = slurm.refusal(job_script)
    if refused is not None:
        raise UsageError(
            f"--cluster: SLURM could never run such a job ({refused}). Copy the file of settings, and change queue, "
            "account, walltime, cores, memory and job_extra_directives to what your cluster has ('sinfo' lists queues)."
        )


@contextmanager
def closed_cluster(cluster_settings: ClusterFile, output: Path) -> Iterator[JobQueueCluster]:
    """A cluster that only this process can use: its jobs and this process have a certificate made for them.

    `security: null` in the settings leaves it open.
    """
    security = Security.temporary()
    settings = {
        "security": security,
        "shared_temp_directory": _shared_folder(cluster_settings, output),
        **cluster_settings.settings,
    }
    # Dask's own default is port 8787 of every interface: the whole network could look on.
    dashboard = {"dashboard_address": DASHBOARD}
    settings["scheduler_options"] = dashboard | (settings.get("scheduler_options") or {})
    if cluster_settings.container is not None:
        settings["python"] = f"{cluster_settings.container} {settings.get('python', 'python')}"
    in_this_process = {
        "distributed.comm.tls.ca-file": security.tls_ca_file,
        "distributed.comm.tls.client.cert": security.tls_client_cert,
        "distributed.comm.tls.client.key": security.tls_client_key,
        **_dashboard_link(settings),
    }
    with CLUSTERS[cluster_settings.kind](**settings) as cluster, dask.config.set(in_this_process):
        yield cluster


def _dashboard_link(settings: dict[str, Any]) -> dict[str, str]:
    """The address at which the dashboard listens; Dask would print the one at which workers reach the scheduler."""
    host = (settings["scheduler_options"]["dashboard_address"] or "").rpartition(":")[0]
    return {"distributed.dashboard.link": f"http://{host}:{{port}}/status"} if host else {}


def _shared_folder(cluster_settings: ClusterFile, output: Path) -> str:
    """The folder in which jobs find their certificate; `UsageError` if dask-jobqueue cannot name it in a job script."""
    configured = dask.config.get(f"jobqueue.{cluster_settings.kind}.shared-temp-directory", None)
    folder = cluster_settings.settings.get("shared_temp_directory") or configured
    if folder is not None:
        return str(folder)
    output.mkdir(parents=True, exist_ok=True)
    if not re.fullmatch(r"[\w./+:@%=,-]+", str(output.resolve())):
        raise UsageError(
            f"-o {output}: jobs find their certificate in this folder, but its path has characters that a job script "
            "cannot hold. Add shared_temp_directory to the settings in --cluster: a folder that all nodes see, with a "
            "path of plain characters."
        )
    return str(output.resolve())


def find_cluster_file(name_or_file: str) -> Path:
    """The settings that ship under this name, or the user's own file; `ConfigError` if there is neither."""
    names, folder = preset_names("cluster"), preset_folder() / "cluster"
    if name_or_file in names:
        return folder / f"{name_or_file}.yaml"
    if Path(name_or_file).is_file():
        return Path(name_or_file)
    raise ConfigError(
        f"--cluster {name_or_file}: there is no such file and no such name. Names: {', '.join(names)}. To change one, "
        f"copy its file from {folder}."
    )


def read_cluster_file(path: Path) -> ClusterFile:
    """Read the settings; `ConfigError` for any other file."""
    try:
        return ClusterFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(
            f"{path}: these are not the settings of a cluster ({error}). For an example, see "
            f"{preset_folder() / 'cluster/slurm.yaml'}."
        ) from None


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "cohort_slurm.py"))
