"""Help: every command has examples that its own parser takes, and every setting is explained."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from tests.data_paths import REPOSITORY
from wsi_haloae.cli.examples import EXAMPLES
from wsi_haloae.cli.main import cli, run
from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, load_config, preset_names, value_at
from wsi_haloae.config.settings import Setting, all_settings, sections
from wsi_haloae.config.shown import shown

FILES = ("slide.svs", "a.svs", "b.svs", "c.svs", "slide.geojson", "model.safetensors")
FOLDERS = (
    "slides", "geojson", "tumour", "results", "other-results", "stroma", "necrosis", "mvtec_ad", "good", "test",
)  # fmt: skip
"""What the examples name."""
LINES = [(name, line) for name, examples in EXAMPLES.items() for _, line in examples]


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).touch()
    for name in FOLDERS:
        Path(name).mkdir()


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(("name", "line"), LINES, ids=[line for _, line in LINES])
def test_an_example_is_taken_by_its_command(name: str, line: str) -> None:
    words = shlex.split(line.replace("\\\n", " ").partition(" >")[0])
    arguments = words[words.index("wsi-haloae") + 1 :]
    command: click.Command = cli
    for part in name.split():
        assert isinstance(command, click.Group)
        assert arguments.pop(0) == part, "an example of this very command"
        command = command.commands[part]
    command.make_context(name, arguments)  # raises for an option, a value or an argument that it does not take


def test_every_command_has_examples_and_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert {name for name, _ in commands(cli)} == set(EXAMPLES)
    for name, _ in commands(cli):
        assert run([*name.split(), "--help"]) == 0
        told = capsys.readouterr().out
        for words, line in EXAMPLES[name]:
            assert f"# {words}\n" in told
            assert all(part in told.splitlines() for part in (f"    {one}" for one in line.split("\n")))
            assert max(map(len, line.split("\n"))) <= 76, "no line is broken by a usual terminal"


def test_the_demo_takes_as_long_in_its_help_as_in_the_readme() -> None:
    (words, _), *_ = EXAMPLES["demo"]
    assert words in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_list_of_commands_has_whole_sentences() -> None:
    formatter = click.HelpFormatter(width=78)  # of a terminal with 80 columns
    cli.format_commands(click.Context(cli), formatter)
    rows = formatter.getvalue().strip().splitlines()[1:]
    assert len(rows) == len(cli.commands)
    assert [row for row in rows if not row.endswith(".") or row.endswith("...")] == []


SETTINGS = all_settings()


def test_every_setting_says_what_it_means() -> None:
    assert len(SETTINGS) > 80
    assert [one.key for one in SETTINGS if not one.meaning] == []
    assert all(sections().values())


@pytest.mark.parametrize("one", SETTINGS, ids=[one.key for one in SETTINGS])
def test_a_default_is_what_set_takes(one: Setting) -> None:
    rule = ["scoring.rule=custom"] if one.key.startswith("scoring.") and one.key != "scoring.rule" else []
    own = [(MVTEC_BASE, one.mvtec)] if one.mvtec != one.default else []
    for base, default in ((SLIDE_BASE, one.default), *own):
        assert load_config(None, [*rule, f"{one.key}={default}"], base=base) == load_config(None, rule, base=base)


def test_explain_gives_type_bounds_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "explain", "tissue.min_fraction"]) == 0
    told = capsys.readouterr().out
    assert "tiles with a smaller share of tissue are left out" in told
    assert "number, at least 0, at most 1; default: 0.1" in told
    assert run(["config", "explain", "split"]) == 0
    assert "split.calibration" in capsys.readouterr().out
    assert run(["config", "explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SETTINGS) + 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["training.stain_jitter"], "default: 0.05 (mvtec: 0.0)"),
        (["scoring.rule"], "default: auto (mvtec: custom)"),
        (["model.autoencoder.start"], "default: random; with --config haloae: principal"),
        (["training.steps", "--config", "haloae-small"], "default: null; with --config haloae-small: 1000"),
        (["training.flip", "--for", "mvtec", "--set", "training.flip=true"],
         "default: true (mvtec: false); with --config haloae --set training.flip=true: true"),
    ],
)  # fmt: skip
def test_explain_says_what_a_command_really_uses(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "explain", *arguments]) == 0
    assert told in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["train-tiles", "mvtec"])
def test_explain_lists_what_show_prints(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "explain", "--for", command]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[:-1])
    assert run(["config", "show", "--for", command]) == 0
    shown_values = yaml.safe_load(capsys.readouterr().out)
    absent = {key for key, text in listed.items() if text == "only with scoring.rule=custom"}
    assert all(value_at(shown_values, key) is None for key in absent)
    for key in listed.keys() - absent:
        assert yaml.safe_load(listed[key]) == value_at(shown_values, key), key


@pytest.mark.parametrize(
    ("key", "told"), [("training.stepz", "did you mean training.steps?"), ("min_fraction", "tissue.min_fraction")]
)
def test_explain_suggests_what_was_meant(key: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "explain", key]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", preset_names("train"))
def test_what_show_prints_is_a_configuration_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", name, "--set", "training.seed=7"]
    asked = load_config(name, ["training.seed=7"], base=SLIDE_BASE)
    for more in ([], ["--changed"]):
        assert run(["config", "show", *arguments, *more]) == 0
        path = tmp_path / "shown.yaml"
        path.write_text(capsys.readouterr().out)
        assert "seed: 7  # default: 0" in path.read_text()
        assert load_config(str(path), base=SLIDE_BASE) == asked


def test_nothing_changed_shows_nothing() -> None:
    config = load_config(None)
    assert shown(config, config, changed_only=True) == ""
    assert "normalise: false" in shown(config, config)


def test_the_page_lists_the_settings_of_today() -> None:
    spec = importlib.util.spec_from_file_location("list_settings", REPOSITORY / "docs/list_settings.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")
    assert script.with_setting_list(page) == page, "run python docs/list_settings.py"


def test_a_shell_completes_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_WSI_HALOAE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "wsi-haloae do")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == ["plain,doctor"]


@pytest.mark.parametrize(
    ("command", "option", "default"),
    [
        ("score", "--adapt", "auto if the model has the rule descriptor."),
        ("export", "--adapt", "auto with --anchors; without, scores stay adapted as they are."),
        ("score", "--smooth", "off."),
        ("export", "--smooth", "as the scores are now."),
        ("score", "--colour-profile", "as the model was trained."),
        ("train-tiles", "--colour-profile", "ignore, but tile stores stay as they were cut."),
        ("tile", "--colour-profile", "ignore."),
        ("info", "--colour-profile", "ignore."),
    ],
)
def test_an_option_of_several_commands_has_the_default_of_each(command: str, option: str, default: str) -> None:
    (one,) = (param for param in cli.commands[command].params if option in param.opts)
    assert isinstance(one, click.Option)
    assert str(one.help).partition("Default: ")[2] == default


def test_the_page_of_commands_has_a_row_for_each() -> None:
    page = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {command.get_short_help_str(100)} |" for name, command in cli.commands.items()]
    assert "\n".join(rows) in page
