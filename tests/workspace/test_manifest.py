"""Manifests as people write them: columns that are nearly right, other separators, slides named twice."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from wsi_haloae import progress
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.manifest import ManifestRow, read_manifest
from wsi_haloae.workspace.slide_inputs import find_slides
from wsi_haloae.workspace.unknown import UNKNOWN, known


def manifest(folder: Path, text: str) -> Path:
    path = folder / "study.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,pateint\na.svs,p\n", "column 'pateint': did you mean 'patient'"),
        ("path,grup\na.svs,g\n", "did you mean 'group'"),
        ("file;patient\na.svs;p\n", r"needs a column 'path'; its columns are \['file', 'patient'\]"),
        ("file\na.svs\n", "needs a column 'path'"),
        ("", "needs a column 'path'"),
    ],
)
def test_a_column_is_not_lost_without_a_word(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told.replace("(", r"\(")):
        read_manifest(manifest(tmp_path, text))


def test_case_blanks_and_columns_of_others_do_not_matter(tmp_path: Path) -> None:
    (row,) = read_manifest(
        manifest(tmp_path, "Path, Patient ,age,GROUP,annotations\na.svs,p1,61,high,drawn/a.geojson\n")
    )
    assert (row.path, row.patient, row.group) == (tmp_path / "a.svs", "p1", "high")
    assert row.annotations == tmp_path / "drawn/a.geojson"


def test_unknown_values_are_those_of_pandas() -> None:
    """Its documentation lists them; what it reads from each is asked here."""
    for cell in sorted(UNKNOWN):
        assert pd.read_csv(io.StringIO(f'patient,x\n"{cell}",1\n'))["patient"].isna().all(), cell
    assert not pd.read_csv(io.StringIO("patient,x\nNone1,1\nna,1\n0,1\n"))["patient"].isna().any()
    assert len(UNKNOWN) == 19


@pytest.mark.parametrize("cell", sorted(UNKNOWN))
def test_what_is_unknown_is_nobody(cell: str, tmp_path: Path) -> None:
    """Two slides of patient NA are not of one patient, and no group, pixel size or part of the split is called so."""
    text = f"path,slide,patient,group,site,mpp,split\na.svs,{cell},{cell},{cell},{cell},{cell},{cell}\nNA,,,,,,\n"
    first, second = read_manifest(manifest(tmp_path, text))
    assert first == ManifestRow(tmp_path / "a.svs")
    assert second.path == tmp_path / "NA", "a file may have any name"
    assert first.unit != second.unit


@pytest.mark.parametrize("cell", ["p1", "0", "N", "NA1", "KA", "Nan Li", "None-1", "unknown 7", "1.5", "=1"])
def test_what_is_known_stays_as_it_is_written(cell: str, tmp_path: Path) -> None:
    (row,) = read_manifest(manifest(tmp_path, f"path,patient\na.svs,{cell}\n"))
    assert row.unit == cell


@pytest.mark.parametrize(
    "cell",
    ["na", "Na", "n/a", "N.A.", "n. a.", "-", "--", "—", "?", "???", ".", "none", "NONE", "Null", "nil", "Unknown",
     "unknown patient", "UNK", "unbekannt", "k.A.", "keine Angabe", "inconnu", "not available", "missing", "Anonymous",
     "anonymized", "_", "(unknown)", "[N/A]", "不明"],
)  # fmt: skip
def test_what_people_write_for_an_unknown_patient_is_nobody(cell: str, tmp_path: Path) -> None:
    first, second = read_manifest(manifest(tmp_path, f'path,patient,group\na.svs,"{cell}","{cell}"\nb.svs,{cell},A\n'))
    assert first.patient is second.patient is None
    assert first.unit != second.unit
    assert first.group == known(cell), "a group may be called so"


def test_the_number_of_unknown_patients_is_told(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=10_000)
    read_manifest(manifest(tmp_path, "path,patient\na.svs,unknown\nb.svs,p\nc.svs,NA\n"), Reporter(console=console))
    assert "2 of 3 rows name no patient" in console.file.getvalue()  # type: ignore[attr-defined]


ROWS = [("slides/ä, 1.svs", 0.25, "Müller"), ("slides/b.svs", 1.5, "p 2")]
QUOTED = 'path,mpp,patient\n"slides/ä, 1.svs","0,25",Müller\nslides/b.svs,"1,5",p 2\n'
PLAIN = "path;mpp;patient\nslides/ä, 1.svs;0,25;Müller\nslides/b.svs;1.5;p 2\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "text",
    [QUOTED, PLAIN, PLAIN.replace(";", "\t"), PLAIN.replace(";", "|"), f"sep=;\n{PLAIN}", f"SEP=,\n{QUOTED}",
     PLAIN.replace("\n", ";\n") + ";;;\n", PLAIN.replace("slides/", "slides\\"),
     PLAIN.replace("slides/", ".\\slides\\")],
    ids=["commas", "semicolons", "tabs", "bars", "stated", "stated comma", "empty columns", "windows", "windows dot"],
)  # fmt: skip
def test_tables_of_any_spreadsheet(text: str, ends: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    for name, _, _ in ROWS:
        (tmp_path / name).touch()
    path = tmp_path / "study.csv"
    path.write_bytes(text.replace("\n", ends).encode(encoding))
    rows = read_manifest(path)
    assert [(row.path, row.mpp, row.patient) for row in rows] == [(tmp_path / path, *more) for path, *more in ROWS]
    path.rename(tmp_path / "study.tsv")
    assert len(find_slides([str(tmp_path / "study.tsv")], mpp=None, override_mpp=None, name_by="stem")) == 2


def test_a_path_is_taken_as_it_is_written_if_there_is_such_a_file(tmp_path: Path) -> None:
    """A backslash and a byte that is not UTF-8 may be in a file's name."""
    foreign = os.fsdecode(b"Pr\xe4parat.svs")
    for name in ("slides\\a.svs", foreign):
        (tmp_path / name).touch()
    path = tmp_path / "study.csv"
    path.write_bytes(b"path,anchors\nslides\\a.svs,drawn\\a.geojson\nPr\xe4parat.svs,\nK\xf6ln.svs,\n")
    rows = read_manifest(path)
    assert [row.path.name for row in rows] == ["slides\\a.svs", foreign, "Köln.svs"]
    assert rows[0].anchors == tmp_path / "drawn/a.geojson"


def test_a_drive_of_windows_is_told(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=10_000)
    path = manifest(tmp_path, "path\nC:\\scans\\a.svs\n\\\\server\\scans\\b.svs\n")
    reporter = Reporter(console=console)
    found = find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem", reporter=reporter)
    assert [slide.name for slide in found] == ["a", "b"], "no folder is called C:\\scans\\a"
    assert reporter.warnings[0].count("a path of Windows") == 2


def test_a_separator_inside_a_value_does_not_move_the_others(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'line 3: 4 cells, but the header has 3\. .*"0,25"'):
        read_manifest(manifest(tmp_path, "path,mpp,patient\na.svs,1,p\nb.svs,0,25,p\n"))


def test_a_slide_named_twice_must_be_the_same_one(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,patient\na.svs,p1\na.svs,p1\n")
    assert len(find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem")) == 1
    path = manifest(tmp_path, "path,patient\na.svs,p1\na.svs,p2\n")
    with pytest.raises(UsageError, match="named twice"):
        find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem")


def test_missing_files_are_named_before_any_slide_is_opened(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=10_000)
    (tmp_path / "here.svs").touch()
    path = manifest(tmp_path, "path\nhere.svs\n" + "".join(f"gone-{n}.svs\n" for n in range(7)))
    reporter = Reporter(console=console)
    assert len(find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem", reporter=reporter)) == 8
    [told] = reporter.warnings
    assert "7 of 8 slides cannot be read" in told
    assert "gone-4.svs (not found) and 2 more" in told


def test_links_to_one_file_are_one_slide(tmp_path: Path) -> None:
    (tmp_path / "a.svs").touch()
    (tmp_path / "b.svs").symlink_to("a.svs")
    (tmp_path / "folder").symlink_to(".")
    path = manifest(tmp_path, "path\na.svs\nb.svs\nfolder/a.svs\n./a.svs\n")
    assert len(find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem")) == 1


def test_a_long_manifest_is_read_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_LINE_SECONDS", 0)
    console = Console(file=io.StringIO(), width=10_000)
    path = manifest(tmp_path, "path,patient\n" + "".join(f"s{n}.svs,p{n}\n" for n in range(60_000)))
    begun = time.process_time()
    rows = read_manifest(path, Reporter(console=console))
    assert time.process_time() - begun < 3, "100,000 rows a second on a quiet machine"
    assert len(rows) == 60_000
    assert "reading study.csv: 30001/60001 rows" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MANIFEST_ROWS", "path\n" + "a.svs\n" * 9),
        ("MANIFEST_BYTES", "path\n" + "a.svs\n" * 9),
        ("MANIFEST_COLUMNS", "path,1,2,3,4,5,6,7,8\na.svs\n"),
    ],
)
def test_the_limits_of_a_manifest(variable: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = manifest(tmp_path, text)
    read_manifest(path)
    monkeypatch.setenv(f"WSI_HALOAE_MOST_{variable}", "8")
    with pytest.raises(UsageError, match=f"WSI_HALOAE_MOST_{variable}="):
        read_manifest(path)
