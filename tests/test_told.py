"""Messages name what was given and what to do, whoever raised them: the system, click, or a setting."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from wsi_haloae.atomic import commit, replacing
from wsi_haloae.cli.main import run
from wsi_haloae.config import load_config
from wsi_haloae.errors import ConfigError, UsageError
from wsi_haloae.model.checkpoint import _save_file
from wsi_haloae.refused_writes import told
from wsi_haloae.workspace.slide_inputs import find_slides


def test_a_full_disk_is_told_with_the_file_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    with pytest.raises(OSError, match="No space") as full, replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    words = told(full.value)
    assert words.startswith(f"{path}: No space left on device (")
    assert "MB are free). Make room there, then run the same command again" in words


def test_a_folder_without_permission_is_told_with_a_way_out() -> None:
    words = told(PermissionError(errno.EACCES, "Permission denied", "/root/out"))
    assert words.startswith("/root/out: Permission denied. Name another place")


def test_what_safetensors_cannot_write_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        _save_file({"a": torch.zeros(1)}, tmp_path, {})


def test_no_temporary_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "away" / "cohort.csv"
    for write in (lambda: replacing(path).__enter__(), lambda: commit(path, [b""])):
        with pytest.raises(FileNotFoundError) as missing:
            write()
        assert missing.value.filename == str(path)


def test_a_mistake_in_set_blames_no_preset() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("haloae-small", ["training.step=50", "training.seed=-1"])
    told_of = str(refused.value).splitlines()
    assert "--set training.step=50: training.step: no such setting; did you mean training.steps?" in told_of
    assert "haloae-small" not in str(refused.value)
    assert "--set training.seed=-1: training.seed: " in str(refused.value)


def test_settings_that_contradict_each_other_are_all_named() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("haloae-small", ["scoring.rule=custom", "scoring.source=image", "loss.im=false"])
    assert str(refused.value) == (
        "haloae-small + --set scoring.rule=custom + --set scoring.source=image + --set loss.im=false: this "
        "configuration is not valid.\n"
        "  scoring.source is image, but loss.im is false, so the image decoder would never be trained"
    )
    with pytest.raises(ConfigError, match="--set training=3: training: is a section of settings, not a value"):
        load_config(None, ["training=3"])


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("training: {step: 3}")
    with pytest.raises(
        ConfigError, match=r"mine\.yaml .*: this configuration is not valid\.\n  training\.step: no such"
    ):
        load_config(str(path), ["training.seed=1"])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("tile_size", "but an option of info, tile, train-tiles: --tile-size."),
        ("nonsense", "'wsi-haloae config explain' lists them all."),
        ("step", "did you mean training.steps?"),
    ],
)
def test_what_is_no_setting_is_told_for_what_it_is(key: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "explain", key]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("arguments", [["scoer"], ["score"], ["status", "nowhere", "--fast"]])
def test_errors_of_a_command_line_begin_like_all_others(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "\nerror: " in said
    assert "Error: " not in said


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    (folder := tmp_path / "case[1]").mkdir()
    with pytest.raises(UsageError, match=r"no slides found in .*case\[1\] \(looked for \.bif, .*, \.vmu\)\.$"):
        find_slides([str(folder)], mpp=None, override_mpp=None, name_by="stem")
    with pytest.raises(UsageError, match=r"case\[2\]: nothing matches this pattern\. In .* there are: no files"):
        find_slides([str(tmp_path / "case[2]")], mpp=None, override_mpp=None, name_by="stem")


@pytest.mark.parametrize("command", [["tile"], ["score", "--model", __file__], ["train-tiles"]])
def test_a_misspelt_slide_leaves_nothing(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slide := tmp_path / "liver.svs").touch()
    assert run([*command, str(tmp_path / "livr.svs"), "-o", str(tmp_path / "out")]) == 2
    assert f"there is no such file or folder; did you mean {slide}?" in " ".join(capsys.readouterr().err.split())
    assert [*tmp_path.iterdir()] == [slide]
