"""The recipe for clusters: its job scripts, and a study scored by jobs that a shell starts."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cohort_slurm import CLUSTERS, ClusterFile, read_cluster_file
from tests.cohort.conftest import Study
from wsi_haloae.errors import ConfigError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs/cluster"


@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_a_job_is_a_worker_with_a_gpu_and_one_slide_at_a_time(kind: str) -> None:
    asked = read_cluster_file(FOLDER / f"{kind}.yaml")
    assert asked.kind == kind
    with CLUSTERS[kind](**asked.settings) as cluster:
        script = cluster.job_script()
    worker = next(line for line in script.splitlines() if "dask_worker" in line or "dask worker" in line)
    assert worker.rindex("--nthreads 1 ") > worker.index("--nthreads 8"), "the last one counts"
    assert asked.settings["scheduler_options"]["dashboard_address"].startswith("127.0.0.1:")
    assert "--resources GPU=1" in worker
    assert "MALLOC_TRIM_THRESHOLD_" in script
    assert ("#SBATCH --gres=gpu:1" if kind == "slurm" else "ngpus=1") in script


@pytest.mark.parametrize(
    "content", ["", "kind: lsf\nsettings: {}", "kind: slurm", "kind: [", "{kind: slurm, settings: {}, x: 1}"]
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ConfigError, match="not a cluster's settings"):
        read_cluster_file(tmp_path / "x.yaml")


def test_every_file_is_one() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert [file.stem for file in files] == ["local", "pbs", "slurm"]
    assert all(isinstance(read_cluster_file(file), ClusterFile) for file in files)


def test_a_study_is_scored_by_jobs(study: Study, tmp_path: Path) -> None:
    manifest = tmp_path / "study.csv"
    manifest.write_text("path\n" + "".join(f"{slide}\n" for slide in study.slides[:2]))
    asked = [ROOT / "pipelines/cohort_slurm.py", manifest, "-m", study.model, "-o", tmp_path / "out"]
    asked += ["--cluster", FOLDER / "local.yaml", "--jobs", "1", "--", "--maps"]
    done = subprocess.run(
        [sys.executable, *(str(one) for one in asked)],
        check=False, capture_output=True, text=True, cwd=tmp_path, timeout=150,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/cohort.csv").open() as stream:
        assert [row["state"] for row in csv.DictReader(stream)] == ["done", "done"]
    assert (tmp_path / "out/slide0/map.ome.zarr").is_dir(), "what follows -- goes to score"
