"""A training step beside another process that wants a core, by how OpenMP's threads wait for each other.

Three processes with the same model take a step each in turn, alone and beside the other process: with OMP_WAIT_POLICY
unset (OpenMP's own way: spin for a while, then sleep), ACTIVE (spin) and PASSIVE (sleep; what this package sets).
Between their steps they are stopped, so that none spins while another one is timed.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from machine import print_row

from wsi_haloae.processors.cores import available_cores

POLICIES = (None, "ACTIVE", "PASSIVE")
STEPPER = """
import sys, time
import torch  # before the package, which would set a policy of its own
from train_step import make_step
from wsi_haloae.config import load_config

torch.set_num_threads(int(sys.argv[2]))
step = make_step(load_config([sys.argv[1]]), torch.device("cpu"), plain_ssim=False, layout=torch.contiguous_format,
                 half=False, compiled=False)
for _ in sys.stdin:
    begun = time.perf_counter()
    step()
    print(time.perf_counter() - begun, flush=True)
"""


class Stopped:
    """A process that runs only while it is asked to."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent, env={**variables, **environment},
        )  # fmt: skip
        self._process.send_signal(signal.SIGSTOP)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the end of the block."""
        self._process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGSTOP)

    def step_seconds(self) -> float:
        """One step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self.running():
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())

    def end(self) -> None:
        """For good."""
        self._process.kill()
        self._process.communicate()


@click.command()
@click.option("--config", default="haloae-small", show_default=True)
@click.option("--threads", type=int, default=available_cores, show_default="cores", help="Of the training step.")
@click.option("--others", default=1, show_default=True, help="Processes that want a core each.")
@click.option("--runs", default=3, show_default=True, help="Timed steps of each kind, after one that is not.")
def main(config: str, threads: int, others: int, runs: int) -> None:
    """Print one JSON row per policy."""
    with ExitStack() as stack:
        steppers, rivals = {}, []
        for policy in POLICIES:
            given = {} if policy is None else {"OMP_WAIT_POLICY": policy}
            steppers[policy] = Stopped(STEPPER, config, str(threads), **given)
            stack.callback(steppers[policy].end)
        for _ in range(others):
            rivals.append(Stopped("while True: pass"))
            stack.callback(rivals[-1].end)
        alone, beside = _times(steppers, rivals, runs)
    for policy in POLICIES:
        print_row(
            "busy", policy=policy or "unset", configuration=config, threads=threads, others=others,
            seconds_alone=alone[policy], seconds_beside_others=beside[policy],
            slowdown=beside[policy] / alone[policy], against_passive=beside[policy] / beside["PASSIVE"],
        )  # fmt: skip


def _times(
    steppers: dict[str | None, Stopped], rivals: list[Stopped], runs: int
) -> tuple[dict[str | None, float], dict[str | None, float]]:
    """Median seconds of a step by policy: alone, and while the rivals run."""
    alone: dict[str | None, list[float]] = {policy: [] for policy in steppers}
    beside: dict[str | None, list[float]] = {policy: [] for policy in steppers}
    for run in range(runs + 1):
        for policy, stepper in steppers.items():
            first = stepper.step_seconds()
            with ExitStack() as stack:
                for rival in rivals:
                    stack.enter_context(rival.running())
                second = stepper.step_seconds()
            if run:
                alone[policy].append(first)
                beside[policy].append(second)
    return _medians(alone), _medians(beside)


def _medians(times: dict[str | None, list[float]]) -> dict[str | None, float]:
    return {policy: statistics.median(seconds) for policy, seconds in times.items()}


if __name__ == "__main__":
    main()
