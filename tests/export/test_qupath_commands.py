"""The scripts with which QuPath trains and scores: run by Groovy; the results that they show were exported before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tests.export.groovy_tool import Groovy
from tests.export.stores import Scene, make_store
from wsi_haloae.cli.main import run
from wsi_haloae.cli.score import score
from wsi_haloae.cli.train_tiles import train_tiles
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.qupath_scripts import write_command_scripts

SCENE = Scene(bounds=(0, 0, 801, 600), stride=32, tile_size=64)
PROGRAMS = {
    "trains": 'printf "%s\\n" "$@" > "$0.arguments"; echo "Training: 50/200 steps, 9.1 steps/s, 0:16 left"',
    "scores": 'printf "%s\\n" "$@" > "$0.arguments"; echo "warning: of something"',
    "waits": 'echo $$ > "$0.pid"; echo "Scoring a: 64/256 tiles, 9.1 tiles/s, 0:21 left"; sleep 100; echo',
    "fails": "seq 12; echo 'error: of the last line' >&2; exit 2",
}
"""Programs in place of the command, whose start takes seconds; what it is called with is compared with real calls."""
TUMOUR, OTHER, IGNORED, OURS = (
    {"type": "annotation", "name": name, "pathClass": of}
    for name, of in (("a", "Tumor"), ("b", "Stroma"), ("c", "Ignore*"), ("Anomalous region 99", "Anomaly"))
)


def parsed(command: click.Command, program: Path) -> dict[str, Any]:
    """What the command understands of the arguments that a program was called with."""
    name, *arguments = Path(f"{program}.arguments").read_text().splitlines()
    assert name == command.name
    with command.make_context(name, arguments) as context:
        return context.params


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides, the results of one, and the programs, in a folder whose name is hard on scripts."""
    folder = tmp_path_factory.mktemp("qu'path") / "$in 'put'"
    folder.mkdir()
    for name in ("a b.tif", "second.tif", "model.safetensors", "no program"):
        (folder / name).touch()
    store = make_store(folder / "scores.zarr", SCENE)
    write_exports(store, folder / "wsi-haloae/model/a b", formats=("regions", "overlay", "scripts"))
    for name, words in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{words}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def ran(groovy: Groovy, folder: Path) -> dict[str, dict[str, Any]]:
    """What became of each step."""
    scoring, training = write_command_scripts(folder / "unknown", None)
    knowing = write_command_scripts(folder / "known", folder / "scores")[0]
    image = {"uri": (folder / "a b.tif").as_uri(), "width": 801, "height": 600, "mpp": 0.5}
    model = {"The model": folder / "model.safetensors"}

    def by(program: str) -> dict[str, str]:
        return {"wsiHaloaeExecutable": str(folder / program)}

    def project(*drawn: list[dict[str, str | None]]) -> dict[str, Any]:
        names = ["a b.tif", "second.tif"][: len(drawn)]
        images = [
            {"name": name, "uri": (folder / name).as_uri(), "saved": saved}
            for name, saved in zip(names, drawn, strict=True)
        ]
        return {"path": folder / "project" / "project.qpproj", "images": images}

    steps = {
        "nothing open": {"script": scoring},
        "on a server": {"script": scoring, "image": {**image, "uri": "https://images.example/7"}},
        "no program": {"script": scoring, "image": image},
        "program chosen": {"script": scoring, "image": image, "files": {"The program": folder / "scores"}},
        "no such program": {"script": scoring, "image": image, "files": model, "kept": by("no program")},
        "fails": {"script": scoring, "image": image, "files": model, "kept": by("fails")},
        "cancelled": {"script": scoring, "image": image, "files": model, "kept": by("waits"), "unwanted": "64/256"},
        "another image": {"script": scoring, "image": image, "files": model, "kept": by("trains")},
        "no project": {"script": training},
        "no class": {"script": training, "project": project([], [OURS])},
        "no choice": {"script": training, "project": project([], [TUMOUR, OTHER, IGNORED]), "kept": by("trains")},
        "trained": {
            "script": training, "kept": by("trains"), "choice": "Tumor", "files": {"Where": folder / "new.safetensors"},
            "project": project([], [TUMOUR, IGNORED, OURS]), "image": {**image, "name": "a b.tif"},
            "objects": [TUMOUR, OTHER],
        },
        "scored": {"script": knowing, "image": image, "files": model, "viewed": True, "objects": [TUMOUR, OURS]},
    }  # fmt: skip
    return groovy.run(steps)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("nothing open", "No slide is open"),
        ("on a server", "not a file on this computer, so it cannot be scored: https://images.example/7"),
        ("no such program", "no program could not be started"),
        ("fails", "ended with exit code 2. Its last lines:\n\n6\n7\n8\n9\n10\n11\n12\nerror: of the last line"),
        ("another image", "is scored. Another image was opened meanwhile"),
        ("no project", "No project is open"),
        ("no class", "No image of the project has an outline with a class"),
    ],
)
def test_what_cannot_be_done_is_told(ran: dict[str, dict[str, Any]], step: str, words: str) -> None:
    [alert] = ran[step]["alerts"]
    assert words in alert
    assert ran[step]["layers"] == ran[step]["objects"] == []


def test_the_program_is_asked_for_once(ran: dict[str, dict[str, Any]], folder: Path) -> None:
    assert [title[:11] for title in ran["no program"]["asked"]] == ["The program"]
    assert not ran["no program"]["kept"]["wsiHaloaeExecutable"]
    assert [title[:9] for title in ran["program chosen"]["asked"]] == ["The progr", "The model"]
    assert ran["program chosen"]["kept"]["wsiHaloaeExecutable"] == str(folder / "scores")
    assert [title[:9] for title in ran["scored"]["asked"]] == ["The model"], "the script knows the program"


def test_whoever_cancels_ends_the_program(ran: dict[str, dict[str, Any]], folder: Path) -> None:
    assert "continues where it stopped" in ran["cancelled"]["said"]
    assert ran["cancelled"]["alerts"] == []
    assert ran["cancelled"]["progress"][:2] == [-1, 0.25]  # a shell may still say that its child was ended
    process = Path("/proc", (folder / "waits.pid").read_text().strip())
    assert not (process / "exe").exists()


def test_the_slide_is_scored_and_its_heatmap_shown(ran: dict[str, dict[str, Any]], folder: Path) -> None:
    found, results = ran["scored"], folder / "wsi-haloae/model/a b"
    assert found["alerts"] == []
    asked = parsed(score, folder / "scores")
    assert (asked["slides"], asked["model"]) == ((str(folder / "a b.tif"),), folder / "model.safetensors")
    assert (asked["output"], asked["mpp"], asked["overwrite"]) == (results.parent, 0.5, False)
    [layer] = found["layers"]
    assert layer["pixels"] == [31, 22]
    assert f"report: {results / 'report.html'}" in found["said"]
    assert ["annotation", "a", "Tumor"] in found["objects"]
    assert ["annotation", "Anomalous region 99", "Anomaly"] not in found["objects"]
    assert found["kept"]["wsiHaloaeModel"] == str(folder / "model.safetensors")


def test_training_takes_all_outlines_of_the_slides_with_the_class(ran: dict[str, dict[str, Any]], folder: Path) -> None:
    assert ran["no choice"]["offered"][1:] == ["Tumor (1 slide)", "Stroma (1 slide)"]
    found = ran["trained"]
    assert found["offered"][0] == "Tumor (2 slides)"
    outlines = folder / "new.annotations"
    assert [(Path(one["path"]), one["objects"]) for one in found["exported"]] == [
        (outlines / "a b.geojson", ["a", "b"]),
        (outlines / "second.geojson", ["a", "c"]),
    ], "of the open slide what it shows, without what is ours"
    asked = parsed(train_tiles, folder / "trains")
    assert asked["sources"] == (str(folder / "a b.tif"), str(folder / "second.tif"))
    assert (asked["annotations"], asked["class_name"], asked["mpp_target"]) == (outlines, "Tumor", 0.5)
    assert (asked["output"], asked["configs"]) == (folder / "new.safetensors", ("haloae-small",))
    assert not asked["overwrite"]
    assert found["progress"] == [-1, 0.25]
    assert found["kept"]["wsiHaloaeModel"] == str(folder / "new.safetensors"), "the next slide is scored with it"


def test_the_command_writes_scripts_that_know_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["qupath-scripts", "-o", str(tmp_path / "new")]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in written] == ["score_this_slide.groovy", "train_here.groovy"]
    for path in written:
        assert f"'{Path(sys.executable).with_name('wsi-haloae')}'" in path.read_text()
