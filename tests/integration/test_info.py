"""``info`` on real and on unusable files."""

from pathlib import Path
from shutil import copyfile

import pytest

from tests.data_paths import real_data
from wsi_haloae.cli.main import run


def test_prints_the_slide_and_what_the_tiler_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(real_data("wsi/cmu-1-small-region.svs")), "--mpp-target", "1"]) == 0
    out = capsys.readouterr().out
    for expected in ("aperio", "2,220 x 2,967", "0.499", "20x", "level 0 and shrinks by 2.004", "tiles with tissue"):
        assert expected in out


def test_prints_what_it_knows_before_it_asks_for_the_pixel_size(capsys: pytest.CaptureFixture[str]) -> None:
    slide = str(real_data("wsi/hpylori_IHC_pathologyatlas.tiff"))
    assert run(["info", slide]) == 2
    captured = capsys.readouterr()
    assert "16,436 x 27,946" in captured.out
    assert "--mpp" in captured.err
    assert run(["info", slide, "--mpp", "0.5"]) == 0


@pytest.mark.parametrize("name", ["broken.svs", "not_a_slide.tif"])
def test_a_file_that_is_no_slide_is_one_clear_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(real_data(f"wsi/{name}"))]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert name in lines[0]


def test_describes_one_slide_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(real_data("wsi"))]) == 2
    assert "info describes one slide" in capsys.readouterr().err


def test_a_folder_with_one_slide_anywhere_in_it_is_that_slide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "patient 7").mkdir()
    slide = copyfile(real_data("wsi/cmu-1-small-region.svs"), tmp_path / "patient 7" / "a.svs")
    assert run(["info", str(tmp_path)]) == 0
    assert "2,220 x 2,967" in capsys.readouterr().out
    copyfile(slide, tmp_path / "a.svs")
    assert run(["info", str(tmp_path)]) == 2
    assert f"Name one file, e.g. {tmp_path / 'a.svs'}" in capsys.readouterr().err
    slide.rename(tmp_path / "b.svs")
    (tmp_path / "a.svs").write_bytes(b"not a slide")
    assert run(["info", str(tmp_path)]) == 2
    assert f"Name one file, e.g. {tmp_path / 'b.svs'}" in capsys.readouterr().err, "one that can be read"


def test_an_error_names_the_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide = copyfile(real_data("wsi/hpylori_IHC_pathologyatlas.tiff"), tmp_path / "h.tiff")
    assert run(["tile", str(slide), "-o", str(tmp_path / "out")]) != 0
    assert capsys.readouterr().err.count("h.tiff") == 1


def test_a_preview_is_drawn_beside_what_annotations_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide, outlines = str(real_data("wsi/liver-sarcoma.tiff")), str(real_data("wsi/liver-sarcoma.geojson"))
    picture = tmp_path / "seen.png"
    assert run(["info", slide, "--annotations", outlines, "--preview", str(picture)]) == 0
    assert picture.stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "on the slide" in printed
    assert f"preview           {picture}" in printed
    assert run(["info", "--annotations", outlines, "--preview", str(tmp_path / "none.png")]) == 2
    assert "name the SLIDE" in capsys.readouterr().err


def test_annotations_are_no_slide(capsys: pytest.CaptureFixture[str]) -> None:
    outlines = str(real_data("wsi/liver-sarcoma.geojson"))
    assert run(["info", outlines]) == 2
    assert f"not a slide. Pass it as --annotations {outlines}." in capsys.readouterr().err
