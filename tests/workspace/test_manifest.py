"""Manifests as people write them: columns that are nearly right, other separators, slides named twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsi_haloae.errors import UsageError
from wsi_haloae.workspace.manifest import read_manifest
from wsi_haloae.workspace.slide_inputs import find_slides


def manifest(folder: Path, text: str) -> Path:
    path = folder / "study.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,pateint\na.svs,p\n", "column 'pateint': did you mean 'patient'"),
        ("path,grup\na.svs,g\n", "did you mean 'group'"),
        ("path;patient\na.svs;p\n", "separated by ';'"),
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


def test_a_slide_named_twice_must_be_the_same_one(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,patient\na.svs,p1\na.svs,p1\n")
    assert len(find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem")) == 1
    path = manifest(tmp_path, "path,patient\na.svs,p1\na.svs,p2\n")
    with pytest.raises(UsageError, match="named twice"):
        find_slides([str(path)], mpp=None, override_mpp=None, name_by="stem")
