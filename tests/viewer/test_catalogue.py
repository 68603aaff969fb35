"""Which slides are found, and which are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsi_haloae.errors import UsageError
from wsi_haloae.viewer.catalogue import find_scored


def make_folder(path: Path, record: str | None = None) -> Path:
    (path / "scores.zarr").mkdir(parents=True)
    if record is not None:
        (path / "run.json").write_text(record)
    return path


def test_every_folder_with_scores_is_found_and_no_other(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_folder(tmp_path / name)
    (tmp_path / "evaluation").mkdir()
    found = find_scored(tmp_path, pytest.fail)
    assert list(found) == ["a", "b"]
    assert found["a"].folder == (tmp_path / "a").resolve()


def test_the_folder_of_one_slide_may_be_named(tmp_path: Path) -> None:
    assert list(find_scored(make_folder(tmp_path / "one"), pytest.fail)) == ["one"]


def test_an_empty_folder_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no scored slide here.*wsi-haloae score -o"):
        find_scored(tmp_path, pytest.fail)


def test_links_to_elsewhere_are_left_out_and_said(tmp_path: Path) -> None:
    outside = make_folder(tmp_path / "outside")
    out = tmp_path / "out"
    make_folder(out / "here")
    (out / "there").symlink_to(outside)
    (out / "half").mkdir()
    (out / "half" / "scores.zarr").symlink_to(outside / "scores.zarr")
    warnings: list[str] = []
    assert list(find_scored(out, warnings.append)) == ["here"]
    assert len(warnings) == 2
    assert "it is a link to outside" in warnings[0]


def test_out_itself_may_be_a_link(tmp_path: Path) -> None:
    make_folder(tmp_path / "out" / "slide")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert list(find_scored(tmp_path / "link", pytest.fail)) == ["slide"]


@pytest.mark.parametrize(
    "record", [None, "", "[1]", "{", '"text"', "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, record: str | None) -> None:
    make_folder(tmp_path / "one", record)
    assert find_scored(tmp_path, pytest.fail)["one"].record() is None


def test_files_of_a_folder_are_inside_of_it(tmp_path: Path) -> None:
    scored = find_scored(make_folder(tmp_path / "one"), pytest.fail)["one"]
    (tmp_path / "secret").write_text("")
    (scored.folder / "regions.geojson").symlink_to(tmp_path / "secret")
    (scored.folder / "heatmap.overlay.png").write_text("")
    assert scored.file("regions.geojson") is None
    assert scored.file("map.ome.zarr") is None
    assert scored.file("heatmap.overlay.png") == scored.folder / "heatmap.overlay.png"
