"""Before a training it is said what comes after its steps, and finding it out changes nothing."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.model.tiny import tiny_config
from tests.training.test_trainer import QUIET, TRAIN, VALIDATION, same, trainer
from tests.training.tiles import MemorySource
from wsi_haloae.progress import Reporter
from wsi_haloae.training.afterwards import Afterwards
from wsi_haloae.training.fit import fit
from wsi_haloae.training.job import TrainingData, TrainingJob

MANY = Afterwards(described=200_000, scored=100_000)
CPU = torch.device("cpu")


def test_what_comes_after_is_told_before(tmp_path: Path) -> None:
    data, said = TrainingData(MemorySource(), TRAIN, VALIDATION), StringIO()
    fit(
        TrainingJob(tiny_config(steps=2), data, tmp_path, "x", CPU, afterwards=MANY),
        Reporter(console=Console(file=said, width=400)),
    )
    line = re.search(
        r"calibration, after the training, will take about (?:(\d+):)?(\d+):(\d+): 200,000 tiles and changed "
        r"copies to describe, of (\S+) s each, and 100,000 to score, of (\S+) s each \(estimated from 3 tiles\)",
        said.getvalue(),
    )
    assert line
    hours, minutes, seconds, describing, scoring = (float(part or 0) for part in line.groups())
    assert describing < scoring
    assert 3600 * hours + 60 * minutes + seconds == pytest.approx(200_000 * describing + 100_000 * scoring, rel=0.02)
    assert line.start() < said.getvalue().index("training will take")


def test_the_forecast_leaves_nothing_behind(tmp_path: Path) -> None:
    for name in ("plain", "forecast"):
        (tmp_path / name).mkdir()
    plain, forecast = (trainer(tmp_path / name, tiny_config()) for name in ("plain", "forecast"))
    MANY.forecast(forecast.model, forecast.job.data.source, VALIDATION, CPU)
    assert forecast.fit(QUIET) == plain.fit(QUIET)
    assert same(plain, forecast)
