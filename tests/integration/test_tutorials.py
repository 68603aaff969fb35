"""The tutorials' commands as they are written: run where that is quick, else read by the command's own parser."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

import wsi_haloae
from pipelines import demo_real
from tests.data_paths import REPOSITORY
from tests.integration.test_adapt import marks
from wsi_haloae.cli.main import cli, run
from wsi_haloae.runs import demo_steps
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.synthetic.slide import write_synthetic_slide

PAGES = sorted((REPOSITORY / "docs/tutorials").glob("*.md"))
RUN = {
    "first-slide": {"info"},
    "own-study": {"info", "status", "export", "evaluate", "verify"},
    "qupath-round-trip": {"export"},
}
"""What of a page is run: what needs neither a training nor a process of its own."""
SLIDES = ("p01", "p02", "p03", "p11", "p12a", "p12b", "p13", "p14")


def blocks(page: Path, language: str) -> list[str]:
    fences = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [token.content for token in fences if token.type == "fence" and token.info == language]


def commands(page: Path) -> list[list[str]]:
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def desk(adapting_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the tutorials name; every slide is the same small one, and p11 is scored."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("configs", "examples", "pipelines"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("slides", "outlines", "anchors", "tiles", "test/tumour", "test/stroma", "demo-real", "small", "dense"):
        (folder / name).mkdir(parents=True)
    first, outlines = folder / "slides/p01.svs", folder / "outlines/p01.geojson"
    write_synthetic_slide(first, width=1536, height=1024, seed=3).write_geojson(outlines)
    for name in SLIDES[1:]:
        first.with_stem(name).hardlink_to(first)
        outlines.with_stem(name).hardlink_to(outlines)
    for name in ("model", "small", "dense", "demo-real/model"):
        shutil.copy(adapting_model, folder / f"{name}.safetensors")
    (folder / "vgg19_features.safetensors").touch()
    slide, model, results = folder / "slides/p11.svs", folder / "model.safetensors", folder / "results"
    assert run(["score", str(slide), "-m", str(model), "-o", str(results), "-q"]) == 0
    marks(folder / "anchors/p11.geojson", ScoreStore.open(folder / "results/p11/scores.zarr"))
    tables = blocks(REPOSITORY / "docs/tutorials/own-study.md", "csv")
    for name, text in zip(("reference.csv", "study.csv"), tables, strict=True):
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def at_the_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)


@pytest.mark.usefixtures("at_the_desk")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one_that_works(page: Path) -> None:
    found = commands(page)
    assert found or blocks(page, "python")
    for program, *words in found:
        if program == "wsi-haloae":
            _do(page.stem, *words)
        elif program == "python":
            _parsed(import_module(words[0].removesuffix(".py").replace("/", ".")).main, words[1:])
        elif program == "make":
            targets = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{words[0]}:", targets, re.MULTILINE), words
        elif program == "pip":
            project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
            assert set(re.findall(r"\[(\w+)]", words[-1])) <= set(project["optional-dependencies"])
        else:
            assert [program, *words] == ["source", ".venv/bin/activate"], "a command that this test does not know"


def _do(page: str, name: str, *words: str) -> None:
    if name in RUN.get(page, ()):
        quick = ["--format", "csv"] if name == "export" else []  # pictures take a second each time
        assert run([name, *words, *quick]) == 0, words
    else:
        _parsed(cli.commands[name], words)


def _parsed(command: click.Command, words: list[str] | tuple[str, ...]) -> dict[str, object]:
    """What the command's parser makes of the words; an error unless options, choices and files are right."""
    return command.make_context(str(command.name), list(words)).params


@pytest.mark.usefixtures("at_the_desk")
def test_the_commands_by_hand_are_what_the_real_demo_did() -> None:
    by_name = {words[1]: words[2:] for words in commands(REPOSITORY / "docs/tutorials/first-slide.md") if words[1:]}
    trained, scored = (_parsed(cli.commands[name], by_name[name]) for name in ("train-tiles", "score"))
    recipe = _parsed(demo_real.main, ["-o", "demo-real"])
    assert (trained["tile_size"], trained["min_coverage"]) == (demo_steps.TILE_SIZE, demo_steps.PURITY)
    assert {trained["configs"], recipe["configs"]} == {("haloae-small",)}
    assert trained["settings"] == recipe["settings"]
    [first], [second] = trained["sources"], scored["slides"]
    crops = (demo_real.LIVER.first, demo_real.LIVER.second)
    assert (Path(first).resolve(), Path(second).resolve()) == crops
    assert trained["class_name"] == demo_real.LIVER.reference


@pytest.mark.usefixtures("at_the_desk")
def test_the_public_functions_do_what_the_page_says() -> None:
    known: dict[str, object] = {}
    page = REPOSITORY / "docs/tutorials/python.md"
    for block in blocks(page, "python"):
        calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
        train = next((call for call in calls if ast.unparse(call.func) == "wsi_haloae.train"), None)
        if train is None:
            exec(compile(block, str(page), "exec"), known)
        else:  # takes minutes; the parameters must be right
            given = {word.arg: ast.literal_eval(word.value) for word in train.keywords}
            inspect.signature(wsi_haloae.train).bind(*map(ast.literal_eval, train.args), **given)
    assert len(known["likely"]) == 20
    assert known["smooth"].store.radius == 100
