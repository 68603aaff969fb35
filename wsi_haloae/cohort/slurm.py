"""What SLURM says about a study's jobs, before and after they are submitted."""

from __future__ import annotations

import subprocess
from tempfile import NamedTemporaryFile


def refusal(job_script: str) -> str | None:
    """Why SLURM could never run such a job, in its words; None if it could.

    ``sbatch`` itself accepts jobs that no node can run, and leaves them in the queue.
    """
    with NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as script:
        script.write(job_script)
        script.flush()
        asked = _asked("sbatch", "--test-only", script.name)
    return None if asked.returncode == 0 else "; ".join(asked.stderr.strip().splitlines())


def queued() -> frozenset[str] | None:
    """Ids of the user's jobs that wait or run; None if SLURM does not answer."""
    asked = _asked("squeue", "--me", "--noheader", "--format=%A")
    return frozenset(asked.stdout.split()) if asked.returncode == 0 else None


def _asked(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # as dask-jobqueue does
