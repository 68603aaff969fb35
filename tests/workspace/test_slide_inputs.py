"""Which slides a folder, a list or a glob names: DICOM series, hidden files, subfolders, links into stores, twins."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.data_paths import real_data
from tests.workspace.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.dicom import WHOLE_SLIDE, DicomFile, read_dicom
from wsi_haloae.workspace.slide_inputs import SlideInput, find_slides


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


class Found:
    """What `find_slides` gives and tells."""

    def __init__(self, *arguments: Path | str, recursive: bool = False, name_by: str = "stem") -> None:
        console = Console(file=io.StringIO(), width=10_000)
        self.slides: list[SlideInput] = find_slides(
            [str(argument) for argument in arguments],
            mpp=None,
            override_mpp=None,
            name_by=name_by,  # type: ignore[arg-type]
            recursive=recursive,
            reporter=Reporter(console=console),
        )
        self.names = [slide.name for slide in self.slides]
        self.told = console.file.getvalue()  # type: ignore[attr-defined]


class TestDicom:
    @pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, "1.2.840.10008.1.2.4.50"])
    def test_the_series_is_found_in_every_encoding(self, syntax: str, tmp_path: Path) -> None:
        assert read_dicom(dicom(tmp_path / "a.dcm", "1.2.34", syntax)) == DicomFile("1.2.34", WHOLE_SLIDE)

    def test_what_is_cut_or_no_dicom_has_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = dicom(tmp_path / "a.dcm", "1.2.34").read_bytes()
        at = whole.index(b"1.2.34")
        for length in range(at + 1):
            (tmp_path / "a.dcm").write_bytes(whole[:length])
            assert read_dicom(tmp_path / "a.dcm") in (None, DicomFile("", ""))
        os.mkfifo(tmp_path / "pipe.dcm")
        assert read_dicom(tmp_path / "pipe.dcm") is None
        (tmp_path / "a.dcm").write_bytes(whole)
        monkeypatch.setenv("WSI_HALOAE_MOST_DICOM_HEAD_BYTES", str(at))
        assert read_dicom(tmp_path / "a.dcm") is None

    def test_files_of_a_series_are_one_slide_however_they_are_named(self, tmp_path: Path) -> None:
        """Also where they are links from a folder of their own, as git-annex and DVC have them."""
        files = [dicom(tmp_path / "store" / name, name[0]) for name in ("a0.dcm", "a1.dcm", "b0.dcm", "b1.DCM")]
        for file in files:
            target = tmp_path / "annex" / file.stem / f"SHA256E-{file.stem}.dcm"
            target.parent.mkdir(parents=True)
            file.rename(target)
            file.symlink_to(target)
        folder = tmp_path / "store"
        assert Found(folder).names == ["a0", "b0"]
        assert Found(*files).names == ["a0", "b0"]
        assert Found(files[3], files[0], files[1]).names == ["b1", "a0"]
        assert Found(folder / "*.dcm").names == ["a0", "b0"]
        (folder / "study.csv").write_text("path,patient\na1.dcm,p\nb0.dcm,q\na0.dcm,p\n")
        assert [(slide.name, slide.patient) for slide in Found(folder / "study.csv").slides] == [
            ("a1", "p"),
            ("b0", "q"),
        ]
        (folder / "study.csv").write_text("path,patient\na1.dcm,p\na0.dcm,q\n")
        with pytest.raises(UsageError, match=r"a0\.dcm is named twice, for it is one slide with .*a1\.dcm"):
            Found(folder / "study.csv")

    def test_the_same_series_in_two_folders_is_two_slides(self, tmp_path: Path) -> None:
        """OpenSlide looks for the other files of a slide in the same folder only."""
        for folder in "xy":
            dicom(tmp_path / folder / "a.dcm", "1.2")
        assert Found(tmp_path, recursive=True, name_by="parent").names == ["x_a", "y_a"]

    def test_other_dicom_files_are_left_out_and_counted(self, tmp_path: Path) -> None:
        dicom(tmp_path / "a.dcm", "1.2")
        dicom(tmp_path / "ct.dcm", "1.3", kind="1.2.840.10008.5.1.4.1.1.2")
        found = Found(tmp_path)
        assert found.names == ["a"]
        assert "left out: DICOM files that are no slides (1)" in found.told

    def test_two_real_slides_in_one_folder(self, tmp_path: Path) -> None:
        for file in sorted(real_data("wsi/osp_boxes_dicom").iterdir()):
            content = file.read_bytes()
            shutil.copy(file, tmp_path / file.name)
            series = read_dicom(file)
            assert series is not None
            other = series.series[:-1] + "7"
            (tmp_path / f"z_{file.name}").write_bytes(content.replace(series.series.encode(), other.encode()))
        found = Found(tmp_path)
        assert found.names == ["osp_boxes_0", "z_osp_boxes_0"]
        for slide in found.slides:
            slide.open().close()


class TestFolders:
    def test_hidden_files_are_left_out_and_counted(self, tmp_path: Path) -> None:
        touch(
            tmp_path / "a.svs", tmp_path / "._a.svs", tmp_path / ".b.svs", tmp_path / ".DS_Store", tmp_path / "._x.txt"
        )
        for argument in (tmp_path, tmp_path / "*.svs"):
            found = Found(argument)
            assert found.names == ["a"]
            assert "left out: hidden files (2)" in found.told
        (tmp_path / "study.csv").write_text("path\na.svs\n._a.svs\n")
        found = Found(tmp_path / "study.csv")
        assert found.names == ["a"]
        assert "left out: hidden files (1)" in found.told
        for named in (".b.svs", ".b*"):
            assert Found(tmp_path / named).names == [".b"], "it was named"

    def test_slides_in_subfolders_are_counted_and_named(self, tmp_path: Path) -> None:
        slides = tmp_path / "slides"
        touch(slides / "8f1c/T-1.svs", slides / "d20b/deep/T-2.svs", slides / "d20b/T-3.tif", slides / ".cache/T-4.svs")
        with pytest.raises(UsageError) as refused:
            Found(slides)
        told = str(refused.value)
        assert "no slide lies in this folder itself, but 3 slides lie in its subfolders" in told
        assert "--recursive" in told
        assert f"'{slides}/**/*.svs'" in told
        assert Found(slides, recursive=True).names == ["T-1", "T-3", "T-2"]
        assert Found(slides / "**/*.svs").names == ["T-1", "T-2"]
        touch(slides / "T-0.svs")
        found = Found(slides)
        assert found.names == ["T-0"]
        assert "3 slides lie in its subfolders, which are not searched" in found.told

    def test_what_this_package_wrote_is_no_slide(self, tmp_path: Path) -> None:
        touch(tmp_path / "a.svs", tmp_path / "out/a/heatmap.ome.tif", tmp_path / "out/b/tiles.zarr/x.tif")
        (tmp_path / "out/a/scores.zarr").mkdir()
        assert Found(tmp_path, recursive=True).names == ["a"]
        with pytest.raises(UsageError, match="no slides found"):
            Found(tmp_path / "out/*/*.tif")
        assert "subfolders" not in Found(tmp_path).told

    def test_the_pictures_inside_a_mirax_slide_are_none_of_their_own(self, tmp_path: Path) -> None:
        touch(tmp_path / "a.mrxs", tmp_path / "a/Data0000.dat", tmp_path / "a/label.tif", tmp_path / "b/c.svs")
        assert Found(tmp_path, recursive=True).names == ["a", "c"]

    def test_links_in_a_circle_end(self, tmp_path: Path) -> None:
        touch(tmp_path / "x/a.svs")
        (tmp_path / "x/again").symlink_to(tmp_path)
        assert Found(tmp_path, recursive=True).names == ["a"]


class TestNames:
    def store(self, folder: Path, *names: str) -> None:
        for number, name in enumerate(names):
            target = folder / "store/objects" / f"{number:02}" / f"SHA256E-{number}.svs"
            touch(target)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(target)

    def test_links_into_a_store_keep_their_names(self, tmp_path: Path) -> None:
        self.store(tmp_path, "case1/slide.svs", "case2/slide.svs")
        found = Found(tmp_path / "case1", tmp_path / "case2", name_by="parent")
        assert found.names == ["case1_slide", "case2_slide"]
        assert [slide.absolute for slide in found.slides] == [tmp_path / f"case{n}/slide.svs" for n in (1, 2)]

    def test_a_second_link_to_a_slide_is_told(self, tmp_path: Path) -> None:
        self.store(tmp_path, "a.svs")
        (tmp_path / "b.svs").symlink_to("a.svs")
        found = Found(tmp_path)
        assert found.names == ["a"]
        assert "b.svs: the same slide as" in found.told

    def test_as_many_folders_as_tell_slides_apart(self, tmp_path: Path) -> None:
        names = ["p1/left/x.svs", "p1/right/x.svs", "p2/left/x.svs", "p2/left/y.svs"]
        touch(*(tmp_path / name for name in names))
        with pytest.raises(UsageError, match=r"would both write to 'x/'\. Pass --name-by parent"):
            Found(tmp_path, recursive=True)
        found = Found(tmp_path, recursive=True, name_by="parent")
        assert found.names == ["p1_left_x", "right_x", "p2_left_x", "left_y"]

    @pytest.mark.parametrize("name_by", ["stem", "parent"])
    def test_what_no_folder_tells_apart(self, name_by: str, tmp_path: Path) -> None:
        touch(tmp_path / "x.svs", tmp_path / "x.tif")
        with pytest.raises(UsageError, match=r"differ only in what follows the last dot\. Rename one") as refused:
            Found(tmp_path, name_by=name_by)
        assert "--name-by" not in str(refused.value)

    def test_a_name_by_parent_is_the_folder_that_was_meant(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(tmp_path / "here/a.svs", tmp_path / "there/b.svs")
        monkeypatch.chdir(tmp_path / "here")
        assert Found("a.svs", "../there/b.svs", name_by="parent").names == ["here_a", "there_b"]


def test_all_paths_are_looked_at_before_any_is_opened(tmp_path: Path) -> None:
    touch(tmp_path / "a.svs")
    (tmp_path / "folder.svs").mkdir()
    (tmp_path / "dead.svs").symlink_to("nowhere.svs")
    os.mkfifo(tmp_path / "pipe.svs")
    (tmp_path / "gone.csv").write_text("path\ngone.svs\n")
    found = Found(*(tmp_path / name for name in ("a.svs", "gone.csv", "dead.svs", "pipe.svs")))
    assert len(found.slides) == 4
    assert "3 of 4 slides cannot be read" in found.told
    for words in ("gone.svs (not found)", "dead.svs (a link to nothing)", "pipe.svs (no plain file)"):
        assert words in found.told
    (tmp_path / "study.csv").write_text("path\na.svs\nfolder.svs\n")
    assert "folder.svs (a folder)" in Found(tmp_path / "study.csv").told


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("slides/liver-1.svs", r"; did you mean .*/slides/liver1\.svs\?$"),
        ("slide/liver1.svs", r"; did you mean .*/slides/liver1\.svs\?$"),
        ("slide/other.svs", r"; did you mean .*/slides\?$"),
        ("slides/LIVER1.tif", r"; did you mean .*/slides/liver1\.svs\?$"),
        ("slides/liver1", r"; did you mean .*/slides/liver1\.svs\?$"),
        ("slides/slide.svs", r"\."),  # neither liver1.svs, which is no more like it than any short name, nor study.csv
        ("slides/study.svs", r"\."),
        ("slides/nothing.svs", r"\."),  # not the folder outlines
        ("slides/outlins", r"; did you mean .*/slides/outlines\?$"),
        ("slides/outlines.svs", r"\."),
        ("slides/tile.zarr", r"; did you mean .*/slides/tiles\.zarr\?$"),
        ("slides/studdy", r"; did you mean .*/slides/study\.csv\?$"),
        ("slides/liver1.csv", r"\."),
        ("slides/liver1.svs/deep.svs", r"; did you mean .*/slides/liver1\.svs\?$"),
        ("slides/zzz", r"\.$"),
        ("slides/studdy.csv", r"; did you mean .*/slides/study\.csv\?$"),
    ],
)
def test_a_misspelt_path_is_refused_with_the_nearest_name(typed: str, meant: str, tmp_path: Path) -> None:
    touch(tmp_path / "slides/liver1.svs", tmp_path / "slides/study.csv", tmp_path / "slides/.hidden.svs")
    touch(tmp_path / "slides/outlines/a.geojson", tmp_path / "slides/tiles.zarr/zarr.json")
    for arguments in ([tmp_path / typed], [tmp_path / "slides/liver1.svs", tmp_path / typed]):
        with pytest.raises(UsageError, match=rf"{typed}: there is no such file or folder{meant.removesuffix('$')}$"):
            Found(*arguments)
