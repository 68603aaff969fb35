"""Names that no output folder can have: told before any work, slide by slide."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from wsi_haloae.cli.main import run
from wsi_haloae.cohort.table import CohortTable, read_cohort
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.workspace.batch_result import admit
from wsi_haloae.workspace.manifest import read_manifest
from wsi_haloae.workspace.slide_inputs import SlideInput, find_slides
from wsi_haloae.workspace.slide_names import name_problem, problem_in_windows
from wsi_haloae.workspace.study_files import StudyFile

HEX = "0123456789abcdef"
GOOD = [
    "A",
    "Präparat 7",
    "=1+1",
    "-2",
    "@b",
    "a.tif",
    ".hidden",
    "evaluation-2",
    "CON",
    "x.partial",
    "a b.",
    "🔬",
    "x" * 220,
]
BAD = {
    "": "another folder",
    ".": "another folder",
    "..": "another folder",
    "../elsewhere": "another folder",
    "/etc": "another folder",
    "a\0b": "control characters",
    "a\x1b[31m": "control characters",
    "a\nb": "control characters",
    "\x9b": "control characters",
    os.fsdecode(b"Pr\xe4parat"): "not UTF-8",
    "\ud800": "not UTF-8",
    "x" * 221: "more than 220 bytes",  # `make fuzz` found one of 300
    "🔬" * 56: "more than 220 bytes",
    f"cohort.csv.{HEX}.partial": "unfinished files",
    f"A.{HEX}.old": "unfinished files",
    "Index.HTML": "kept for a file",
    **dict.fromkeys(StudyFile, "kept for a file"),
}


def reporter(stream: io.StringIO) -> Reporter:
    return Reporter(console=Console(file=stream, width=10_000))


def slide(path: Path, name: str | None = None) -> SlideInput:
    return SlideInput(path, path.stem if name is None else name, None, override_mpp=False)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_a_folder_may_have(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_none_may_have(name: str) -> None:
    assert BAD[name] in name_problem(name)


def test_every_slide_is_judged_by_itself_and_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "is a file").touch()
    (tmp_path / "linked").symlink_to(tmp_path)
    stream = io.StringIO()
    slides = [
        slide(Path("/in/good.tif")),
        slide(Path("/in/...tif")),
        slide(Path("/in/bad\x1b[2J.tif")),
        slide(Path("/in/is a file.tif")),
        slide(Path("/in/linked.tif")),
        slide(Path("/in/a.tif\n"), "a"),  # its whole name goes into the outputs
        slide(Path("/in/no\0where/b.tif")),
        slide(Path(f"/in/{'x' * 300}.tif")),
    ]
    admitted, outcome = admit(slides, tmp_path, reporter(stream))
    assert admitted == slides[:1]
    assert outcome.failed == ["..", r"bad\x1b[2J", "is a file", "linked", "a", "b", "x" * 300]
    told = stream.getvalue().splitlines()
    assert len(told) == 7
    words = ["another folder", "control", "file of this name", "symbolic link", "control", "NUL", "220 bytes"]
    assert all(word in line for word, line in zip(words, told, strict=True))
    assert all(line.startswith("error: /in/") for line in told)
    assert "\x1b" not in stream.getvalue()


def test_a_nul_in_a_manifest_is_that_slides_own_problem(tmp_path: Path) -> None:
    (tmp_path / "study.csv").write_text("path,patient\nno\0where.tif,'=1\ngood.tif,b\x1b[2J\n")
    rows = read_manifest(tmp_path / "study.csv")
    assert [row.patient for row in rows] == ["=1", r"b\x1b[2J"]
    slides = find_slides([str(tmp_path / "study.csv")], mpp=None, override_mpp=None, name_by="stem")
    admitted, outcome = admit(slides, tmp_path / "out", reporter(io.StringIO()))
    assert [one.name for one in admitted] == ["good"]
    assert outcome.failed == [r"no\x00where"]
    by_parent = find_slides([str(tmp_path / "study.csv")], mpp=None, override_mpp=None, name_by="parent")
    assert by_parent[1].name == f"{tmp_path.name}_good"


def test_a_slide_that_is_a_link_to_itself_is_told_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    [found] = find_slides([str(tmp_path / "loop.tif")], mpp=None, override_mpp=None, name_by="stem")
    assert found.absolute == tmp_path / "loop.tif"


def test_rows_that_lead_elsewhere_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text(
        "name,path,state\n..,/x,done\n'=1+1,/y,done\n../../etc,/z,done\nindex.html,/w,done\n"
    )
    assert list(read_cohort(tmp_path)) == ["=1+1"]


def test_cells_of_a_study_come_back_as_they_were(tmp_path: Path) -> None:
    formula = "=cmd|'C calc'!A0"
    names = [formula, "-2+3", "@x", "-7", "'s"]
    inputs = [SlideInput(Path(f"/in/{name}.tif"), name, None, False, formula, "+1") for name in names]
    for name in names:
        (tmp_path / name).mkdir()
    table = CohortTable(tmp_path, inputs)
    table.update("@x", state="failed", error="\x1b[2J\nsecond line")
    table.write()
    written = (tmp_path / "cohort.csv").read_text(encoding="utf-8")
    assert "\x1b" not in written
    assert {line[:2] for line in written.splitlines() if line[:1] in set("=+-@'")} == {"'=", "'-", "'@", "-7", "'s"}
    rows = read_cohort(tmp_path)
    assert sorted(rows) == sorted(names)
    assert {row.patient for row in rows.values()} == {formula}
    assert rows["@x"].error == "\\x1b[2J\nsecond line"


class TestCommands:
    @pytest.fixture
    def slides(self, tmp_path: Path) -> Path:
        folder = tmp_path / "in" / "slides"
        folder.mkdir(parents=True)
        write_synthetic_slide(folder / "A.tif", width=512, height=512, seed=1)
        return folder

    def names(self, folder: Path, *names: str) -> None:
        for name in names:
            os.link(folder / "A.tif", folder / name)

    def test_tile_does_the_others(self, slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.names(slides, "...tif", ".lock.tif", "b\x1b[31m.tif", "c\nd.tif", os.fsdecode(b"Pr\xe4parat.tif"), "Z.tif")
        hidden = [str(slides / name) for name in ("...tif", ".lock.tif")]  # not looked for, but named
        assert run(["tile", str(slides), *hidden, "-o", str(tmp_path / "out"), "--tile-size", "64"]) == 1
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"A", "Z"}
        assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}, "nothing above the output folder"
        told = capsys.readouterr().err
        assert "\x1b" not in told
        assert told.count("error: ") == 5
        assert told.index("error: ") < told.index("A.tif"), "before any work"
        assert r"2 slides done; failed: Pr\xe4parat, b\x1b[31m, c\nd, .., .lock" in told

    def test_nothing_usable(self, slides: Path, tmp_path: Path) -> None:
        self.names(slides, "...tif", "evaluation.tif")
        (slides / "A.tif").unlink()
        for command in (["tile"], ["score", "--model", str(slides / "...tif")]):
            assert run([*command, str(slides), "-o", str(tmp_path / "out")]) == 2
        assert not (tmp_path / "out").exists()

    def test_training_refuses_before_it_tiles(
        self, slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.names(slides, "...tif")
        command = ["train-tiles", str(slides / "A.tif"), str(slides / "...tif"), "--annotations", str(slides)]
        assert run([*command, "--class", "Tumor", "-o", str(tmp_path / "model.safetensors")]) == 2
        assert "...tif: no folder can be called '..'" in capsys.readouterr().err
        assert not (tmp_path / "model.training" / "tiles").exists()

    def test_info_shows_a_name_and_does_not_obey_it(
        self, slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in (os.fsdecode(b"Pr\xe4\x1b[2J\n.tif"), "--\x1b[2J.tif"):
            self.names(slides, name)
        assert run(["info", str(slides / os.fsdecode(b"Pr\xe4\x1b[2J\n.tif"))]) == 0
        told = capsys.readouterr().out
        assert r"Pr\xe4\x1b[2J\n.tif" in told
        assert run(["info", "--\x1b[2J.tif"]) == 2, "a glob may give it, and it passes for an option"
        refused = capsys.readouterr().err
        assert r"--\x1b[2J.tif" in refused
        assert "\x1b" not in told + refused


def test_two_folders_of_images_may_not_both_be_the_table(tmp_path: Path) -> None:
    (tmp_path / "data" / "Table.md" / "train" / "good").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"'Table\.md': this name is kept"):
        _run_mvtec(tmp_path)


def _run_mvtec(folder: Path) -> None:
    from wsi_haloae.config import MVTEC_BASE, load_config
    from wsi_haloae.mvtec.image_set import ImageSet
    from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec

    images = ImageSet("Table.md", (), (), folder, folder, None)
    options = MvtecOptions(device="cpu")
    config = load_config("haloae-small", base=MVTEC_BASE)
    run_mvtec([images], folder / "out", config, options, {}, Reporter(quiet=True))


@pytest.mark.parametrize("name", ["CON", "aux", "nul.1", "Com1", "LPT9.x", "con ", "a.", "a ", "a:b", "10x10 ?", "<1>"])
def test_names_that_windows_does_not_have(name: str) -> None:
    assert "Windows" in problem_in_windows(name)


@pytest.mark.parametrize("name", ["A", "Präparat 7", "console", "com", "a.b c", "CON2x", ".hidden"])
def test_names_that_windows_has(name: str) -> None:
    assert not problem_in_windows(name)
