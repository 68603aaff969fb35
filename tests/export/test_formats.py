"""The table of formats: what follows from it, for a format that nobody has written yet."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.data_paths import REPOSITORY
from tests.export import made_up
from tests.export.pages import Page
from tests.export.stores import Scene, make_store
from wsi_haloae.cli.main import run
from wsi_haloae.errors import UsageError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.formats import FORMATS, Format, all_files, check_formats, default_formats, in_writing_order
from wsi_haloae.export.open_store import OpenStore


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    (tmp_path / "slide").mkdir()
    make_store(tmp_path / "slide" / "scores.zarr", Scene(width=200, height=130))
    return tmp_path / "slide"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"scores.zarr", ".lock"}


def test_a_format_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=f"Choose from: {', '.join(FORMATS)}"):
        check_formats(("csv", "xlsx"))


def test_a_file_belongs_to_one_format() -> None:
    files = [path.name for path in all_files(Path())]
    assert len(files) == len(set(files))


def test_extras_bring_what_formats_need() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {row.package for row in FORMATS.values()} - {None}
    assert needed <= set(project["optional-dependencies"])


def test_a_new_format_is_written_with_the_others_and_listed_by_the_report(
    scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in all_files(scored)}
    monkeypatch.setitem(FORMATS, "made-up", made_up.row())  # after the report's row: it is listed all the same
    assert run(["export", str(scored), "-q"]) == 0
    assert names(scored) - before == {made_up.FILE}
    assert (scored / made_up.FILE).read_text(encoding="utf-8") == "12\n"
    page = Page(scored / "report.html")
    assert made_up.FILE in page.values("a", "href")
    assert f"{made_up.FILE} : {made_up.WORDS}" in page.words
    assert scored / made_up.FILE in all_files(scored)  # what 'score --overwrite' removes


def test_a_new_format_can_be_named_alone(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "made-up", made_up.row(is_default=False))
    assert "made-up" not in default_formats()
    assert run(["export", str(scored), "--format", "made-up", "-q"]) == 0
    assert names(scored) == {made_up.FILE}


def test_help_and_errors_name_a_new_format(
    scored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(FORMATS, "made-up", made_up.row(is_default=False))
    assert run(["export", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"made-up {made_up.FILE}: {made_up.WORDS}. Written only if you name it" in told
    assert "csv tiles.csv: every tile" in told
    assert "tiles.geojson.gz: the tiles for QuPath, compressed: in place of tiles.geojson, with export --gz" in told
    assert run(["export", str(scored), "--format", "xlsx"]) == 2
    assert "made-up" in capsys.readouterr().err


def test_a_format_brings_what_it_shows_and_comes_after_it(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "made-up", made_up.row(shows=("overlay",)))
    monkeypatch.setitem(
        FORMATS, "on-top", Format({"top.txt": "all"}, "tests.export.made_up:write_count", shows=("made-up",))
    )
    order = in_writing_order(["report", "on-top"])
    assert set(order) == {"overlay", "made-up", "on-top", "heatmap", "artefacts", "report"}
    assert order.index("overlay") < order.index("made-up") < order.index("on-top")
    assert order[-1] == "report"
    assert run(["export", str(scored), "--format", "made-up", "-q"]) == 0
    assert names(scored) == {"heatmap.overlay.png", made_up.FILE}


def test_a_package_that_is_missing_stops_the_export_before_anything_is_written(
    scored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    monkeypatch.setitem(FORMATS, "made-up", made_up.row(package="anndata"))
    assert run(["export", str(scored), "--format", "csv", "--format", "made-up"]) == 2
    assert "--format made-up needs the package anndata" in capsys.readouterr().err
    assert not names(scored)


def test_a_writer_is_loaded_only_when_its_format_is_written(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "made-up", Format({"x.txt": ""}, "tests.export.not_there:write", is_default=False))
    store = OpenStore(make_store(scored.parent / "other.zarr", Scene(width=200, height=130))).store
    write_exports(store, scored, formats=("csv",))
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        write_exports(store, scored, formats=("made-up",))
