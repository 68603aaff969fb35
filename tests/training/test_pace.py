"""What a training says before it begins, and that finding it out changes nothing."""

from __future__ import annotations

import itertools
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.model.tiny import tiny_config
from tests.training.test_trainer import same, trainer
from wsi_haloae.progress import Reporter
from wsi_haloae.training import pace
from wsi_haloae.training import trainer as training


def test_timed_steps_leave_nothing_behind(tmp_path: Path) -> None:
    for name in ("plain", "timed"):
        (tmp_path / name).mkdir()
    plain, timed = (trainer(tmp_path / name, tiny_config(steps=4)) for name in ("plain", "timed"))
    plain.fit(Reporter(quiet=True))
    said = StringIO()
    curve = timed.fit(Reporter(console=Console(file=said, width=400)))
    assert curve == plain.curve
    assert same(plain, timed)
    first, second = (line for line in said.getvalue().splitlines() if "training will take" in line or "memory:" in line)
    assert "4 steps of" in first
    assert "on cpu, timed on 1 step;" in first
    assert "are free)" in second
    assert said.getvalue().index("training will take") < said.getvalue().index("epoch 1")


def test_only_a_training_that_begins_says_so_and_never_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = StringIO()
    trainer(tmp_path, tiny_config(steps=1)).fit(Reporter(console=Console(file=said, width=400)))
    assert "training will take about 0:0" in said.getvalue(), "however short"
    again = StringIO()
    trainer(tmp_path, tiny_config(steps=1)).fit(Reporter(console=Console(file=again)))
    assert "training will take" not in again.getvalue(), "it is over"
    monkeypatch.setattr(training, "measure_pace", None)  # would fail if called
    trainer(tmp_path, tiny_config(steps=1), identity="other").job.state_path.unlink()
    trainer(tmp_path, tiny_config(steps=1)).fit(Reporter(quiet=True))


@pytest.mark.parametrize(("steps", "timed"), [(1, 1), (24, 1), (100, 2), (150, 3), (1000, 3)])
def test_a_short_training_times_fewer_steps(steps: int, timed: int) -> None:
    assert pace.timed_steps(steps) == timed


def test_the_first_step_does_not_count_and_readers_work_beside_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(itertools.accumulate([0, 4, 50, 0, 4, 1, 0, 4, 3, 0, 4, 2, 0, 7]))
    monkeypatch.setattr(pace.time, "monotonic", lambda: float(next(clock)))
    found = pace.measure_pace(lambda: (torch.empty(0), torch.empty(0)), lambda *_: None, int, torch.device("cpu"), 2, 3)
    assert found.step == 2, "median of max(1, 4/2), max(3, 4/2) and max(2, 4/2)"
    assert found.evaluation == 7
    assert found.memory > 10e6
    lines = list(found.lines(100, 5, torch.device("cpu"), Path("somewhere"), 10**6))
    assert "about 3:55: 100 steps of 2 s and 5 evaluations of 7 s" in lines[0]
    assert "disk: 1 MB in somewhere" in lines[1]
