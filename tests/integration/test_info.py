"""``info`` on real and on unusable files."""

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
