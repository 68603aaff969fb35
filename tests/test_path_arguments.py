"""Paths on the command line that are missing or of the wrong kind: what is needed, and which one was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.data_paths import REPOSITORY
from tests.test_help import commands
from wsi_haloae.cli.main import cli, run
from wsi_haloae.cli.paths import PathArgument

FILES = (
    "model.safetensors",
    "vgg19.safetensors",
    "study.csv",
    "slide.svs",
    "outlines/slide.geojson",
    "key.pem",
    "features/resnet50_features.safetensors",
)
FOLDERS = ("results/slide", "features", "model.training", "pair", "alone")


@pytest.fixture(autouse=True)
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (*FOLDERS, "outlines"):
        Path(folder).mkdir(parents=True)
    for name in (*FILES, "pair/a.safetensors", "pair/b.safetensors"):
        Path(name).touch()


def refusal(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments.split()) == 2
    return " ".join(capsys.readouterr().err.split())


def path_types(command: click.Command) -> Iterator[click.ParamType[Any]]:
    for param in command.params:
        yield from getattr(param.type, "types", [param.type])


def test_all_paths_of_all_commands_are_told_in_this_way() -> None:
    found = [one for _, command in commands(cli) for one in path_types(command) if isinstance(one, click.Path)]
    assert len(found) > 30
    assert all(isinstance(one, PathArgument) for one in found)
    recipes = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "pipelines").glob("*.py")]
    assert not any(re.search(r"click\.Path\(", text) for text in recipes)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("score slide.svs -o o --model modle.safetensors", "no such file; did you mean model.safetensors?"),
        ("score slide.svs -o o --model model", "model: there is no such file; did you mean model.safetensors?"),
        ("score slide.svs -o o --model model.pt", "model.pt: there is no such file; did you mean model.safetensors?"),
        ("score slide.svs -o o --model slide", "slide: there is no such file."),
        ("train-tiles slide.svs -o m --weights vgg-19.safetensors", "did you mean vgg19.safetensors?"),
        ("train-tiles slide.svs -o m --manifest studdy.csv", "did you mean study.csv?"),
        ("train-tiles slide.svs -o m --annotations outlins", "no such file or folder; did you mean outlines?"),
        ("view results --annotations outlnes/slide.geojson", "did you mean outlines/slide.geojson?"),
        ("view results --annotations outlnes/other.geojson", "did you mean outlines?"),
        ("view results --annotations outlines/slide.geojsn", "did you mean outlines/slide.geojson?"),
        ("view results --annotations slide.geojson", "slide.geojson: there is no such file or folder."),
        ("evaluate result/ --annotations outlines --reference T", "no such folder; did you mean results?"),
        ("view nothing", "nothing: there is no such folder."),
        ("export modle.safetensors", "modle.safetensors: there is no such folder."),
        (
            "tile slide.svs -o o --tissue outline",
            "outline is not auto or all, and there is no such file or folder; did",
        ),
        ("train-tiles slide.svs -o m --weights vgg16.safetensors", "did you mean vgg19.safetensors?"),
        (
            "train-tiles slide.svs -o m --weights features/resnet50.safetensors",
            "did you mean features/resnet50_features.safetensors?",
        ),
        ("train-tiles slide.svs -o m --weights features/resnet.safetensors", "there is no such file."),
        (f"view {'x' * 300}", "there is no such folder."),
        ("view res\x1bults", r"res\x1bults: there is no such folder; did you mean results?"),
    ],
)
def test_a_missing_path_is_told_with_the_nearest(arguments: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refusal(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("score slide.svs -o o --model model.training", "a file is needed; did you mean model.safetensors?"),
        ("score slide.svs -o o --model pair", "needed; did you mean pair/a.safetensors or pair/b.safetensors?"),
        ("score slide.svs -o o --model outlines", "did you mean model.safetensors or vgg19.safetensors?"),
        ("score slide.svs -o o --model results/slide", "needed. There is no .safetensors in it or beside it."),
        ("score slide.svs -o o --model .", "did you mean model.safetensors or vgg19.safetensors?"),
        ("train-tiles slide.svs -o results", "a folder, but a file is needed, e.g. results/model.safetensors."),
        ("view study.csv", "study.csv is a file, but a folder is needed."),
        ("tile slide.svs -o study.csv", "study.csv is a file, but a folder is needed."),
        ("train-tiles slide.svs -o m --manifest outlines", "outlines is a folder, but a file is needed."),
    ],
)  # fmt: skip
def test_a_file_for_a_folder_or_a_folder_for_a_file_is_told(
    arguments: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refusal(arguments, capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        "train-tiles pair -o s3://bucket/m.safetensors",
        "score slide.svs -o s3://bucket/out --model model.safetensors",
        "score s3://bucket/a.svs -o o --model model.safetensors",
        "score gs://bucket/*.svs -o o --model model.safetensors",
        "tile https://host/a.svs -o o",
        "info file:///a.svs",
        "view S3://bucket/out",
    ],
)
def test_a_url_is_no_path(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    there = sorted(Path().iterdir())
    assert "is a URL, but a path on this machine is needed" in refusal(arguments, capsys)
    assert sorted(Path().iterdir()) == there
