"""The recipe for clusters: its job scripts, and a study scored by jobs that a shell starts."""

from __future__ import annotations

import csv
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import psutil
import pytest

from pipelines.cohort_slurm import ClusterFile, closed_cluster, find_cluster_file, read_cluster_file, require_submitter
from tests.cohort.conftest import Study
from wsi_haloae.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs/cluster"


@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_a_job_is_a_worker_with_a_gpu_and_one_slide_at_a_time(kind: str, tmp_path: Path) -> None:
    asked = read_cluster_file(FOLDER / f"{kind}.yaml")
    assert asked.kind == kind
    with closed_cluster(asked, tmp_path) as cluster:
        script = cluster.job_script()
    worker = next(line for line in script.splitlines() if "dask_worker" in line or "dask worker" in line)
    assert worker.rindex("--nthreads 1 ") > worker.index("--nthreads 8"), "the last one counts"
    assert "--resources GPU=1" in worker
    assert "MALLOC_TRIM_THRESHOLD_" in script
    assert ("#SBATCH --gres=gpu:1" if kind == "slurm" else "ngpus=1") in script


def test_one_setting_puts_the_workers_into_a_container(tmp_path: Path) -> None:
    asked = (FOLDER / "slurm.yaml").read_text()
    [(line, container)] = re.findall(r"^# (container: (.+))$", asked, re.MULTILINE)
    (tmp_path / "slurm.yaml").write_text(asked.replace(f"# {line}", line))
    with closed_cluster(read_cluster_file(tmp_path / "slurm.yaml"), tmp_path) as cluster:
        script = cluster.job_script()
    assert f"\n{container} python -m " in script
    assert script.index("DASK_DISTRIBUTED__NANNY") < script.index(container), "the container inherits it"


@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_a_job_shows_the_scheduler_a_certificate_of_this_run(kind: str, tmp_path: Path) -> None:
    with closed_cluster(read_cluster_file(FOLDER / f"{kind}.yaml"), tmp_path / "out") as cluster:
        words = cluster.job_script().split()
        named = [Path(words[words.index(f"--tls-{what}") + 1]) for what in ("ca-file", "cert", "key")]
        assert {path.parent for path in named} == {tmp_path / "out"}, "a folder that jobs see as well"
        assert all(path.read_text().startswith("-----BEGIN") for path in named)
        assert {stat.S_IMODE(path.stat().st_mode) for path in named} == {0o600}
        assert cluster.scheduler_address.startswith("tls://")


def test_a_folder_that_a_job_script_cannot_name(tmp_path: Path) -> None:
    asked = read_cluster_file(FOLDER / "slurm.yaml")
    with pytest.raises(UsageError, match="shared_temp_directory"), closed_cluster(asked, tmp_path / "two words"):
        pass
    elsewhere = asked.model_copy(update={"settings": {**asked.settings, "shared_temp_directory": str(tmp_path)}})
    with closed_cluster(elsewhere, tmp_path / "two words") as cluster:
        assert f"--tls-key {tmp_path}/" in cluster.job_script()


@pytest.mark.parametrize(
    "content", ["", "kind: lsf\nsettings: {}", "kind: slurm", "kind: [", "{kind: slurm, settings: {}, x: 1}"]
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ConfigError, match="not the settings of a cluster"):
        read_cluster_file(tmp_path / "x.yaml")


def test_a_file_is_found_by_its_name_or_its_path(tmp_path: Path) -> None:
    assert find_cluster_file("slurm") == FOLDER / "slurm.yaml"
    (tmp_path / "ours.yaml").write_text("")
    assert find_cluster_file(str(tmp_path / "ours.yaml")) == tmp_path / "ours.yaml"
    with pytest.raises(ConfigError, match="Names: local, pbs, slurm"):
        find_cluster_file("lsf")


def test_a_machine_that_submits_no_jobs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="sbatch"):
        require_submitter("slurm")
    require_submitter("local")
    (tmp_path / "sbatch").touch(0o700)
    require_submitter("slurm")


@pytest.mark.parametrize("scheduler_options", [None, {}, {"dashboard_address": "127.0.0.1:0"}])
def test_only_this_machine_sees_the_dashboard(scheduler_options: object, tmp_path: Path) -> None:
    asked = read_cluster_file(FOLDER / "slurm.yaml")
    ours = asked.model_copy(update={"settings": {**asked.settings, "scheduler_options": scheduler_options}})
    with closed_cluster(ours, tmp_path) as first, closed_cluster(ours, tmp_path) as second:
        links = [urlsplit(cluster.dashboard_link) for cluster in (first, second)]
        listening = {one.laddr.port: one.laddr.ip for one in psutil.Process().net_connections("tcp")}
    assert [listening[link.port or 0] for link in links] == ["127.0.0.1"] * 2
    assert [link.hostname for link in links] == ["127.0.0.1"] * 2


def test_every_file_is_one() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert [file.stem for file in files] == ["local", "pbs", "slurm"]
    assert all(isinstance(read_cluster_file(file), ClusterFile) for file in files)


SMALL = """
kind: slurm
settings: {cores: 1, memory: 3GB, walltime: "00:10:00", log_directory: LOGS}
"""


@pytest.mark.parametrize(
    "kind",
    ["local", pytest.param("slurm", marks=pytest.mark.skipif(not which("sbatch"), reason="SLURM is not installed"))],
)
def test_a_study_is_scored_by_jobs(kind: str, study: Study, tmp_path: Path) -> None:
    settings = tmp_path / "slurm.yaml"
    settings.write_text(SMALL.replace("LOGS", str(tmp_path)))
    manifest = tmp_path / "study.csv"
    manifest.write_text("path\n" + "".join(f"{slide}\n" for slide in study.slides[:2]))
    asked = ["-m", "wsi_haloae", "recipe", "cohort_slurm", manifest, "-m", study.model, "-o", tmp_path / "out"]
    asked += ["--cluster", settings if kind == "slurm" else kind, "--jobs", "1", "--", "--maps"]
    done = subprocess.run(
        [sys.executable, *(str(one) for one in asked)],
        check=False, capture_output=True, text=True, cwd=tmp_path, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/cohort.csv").open() as stream:
        assert [row["state"] for row in csv.DictReader(stream)] == ["done", "done"]
    assert "scheduler tls://" in done.stderr
    assert not list((tmp_path / "out").glob(".dask-jobqueue*")), "certificates end with the run"
    assert (tmp_path / "out/slide0/map.ome.zarr").is_dir(), "what follows -- goes to score"
