"""A study on a SLURM or PBS cluster: its jobs are Dask workers, and `wsi-haloae score` hands slides out to them.

    pip install 'wsi-haloae[cluster]'
    python pipelines/cohort_slurm.py study.csv -m model.safetensors -o OUT --cluster configs/cluster/slurm.yaml --jobs 9

Run it where jobs are submitted, e.g. in tmux on a login node: it holds the scheduler, which needs a core and little
memory. `wsi-haloae status OUT` tells how far it is; given again, it does what is missing. What follows a `--` goes to
`wsi-haloae score` as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import click
import dask_jobqueue
import yaml
from dask_jobqueue.local import LocalCluster
from pydantic import BaseModel, ConfigDict, ValidationError

from wsi_haloae.cli.main import run
from wsi_haloae.errors import ConfigError

CLUSTERS = {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster, "local": LocalCluster}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class ClusterFile(BaseModel):
    """A file of configs/cluster/."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["slurm", "pbs", "local"]
    settings: dict[str, Any]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("manifest", type=FILE)
@click.option("-m", "--model", type=FILE, required=True, help="Checkpoint that train-tiles wrote.")
@click.option("-o", "--output", type=click.Path(file_okay=False), required=True, help="Output folder.")
@click.option("--cluster", "cluster_file", type=FILE, required=True, help="A file like those of configs/cluster/.")
@click.option("--jobs", type=click.IntRange(1), default=4, show_default=True, help="Workers to ask the cluster for.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def main(manifest: Path, model: Path, output: str, cluster_file: Path, jobs: int, more: tuple[str, ...]) -> int:
    """Score the slides of MANIFEST on JOBS workers of a cluster."""
    asked = read_cluster_file(cluster_file)
    with CLUSTERS[asked.kind](**asked.settings) as cluster:
        cluster.scale(jobs=jobs)
        given = ["score", str(manifest), "-m", str(model), "-o", output, "--scheduler", cluster.scheduler_address]
        return run([*given, *more])


def read_cluster_file(path: Path) -> ClusterFile:
    """`ConfigError` for a file that is none."""
    try:
        return ClusterFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: not a cluster's settings ({error}). See configs/cluster/slurm.yaml.") from None


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "cohort_slurm.py"))
