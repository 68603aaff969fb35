"""The examples run as they are written."""

from pathlib import Path

from benchmarks.forked import start
from wsi_haloae.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_synthetic_slide_is_one_that_info_can_describe(tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    size = ["--width", "1024", "--height", "1024"]
    process = start(EXAMPLES / "synthetic_slide.py", slide, *size, said=tmp_path / "said.txt")
    process.join(60)
    assert process.exitcode == 0
    assert slide.with_suffix(".geojson").exists()
    assert run(["info", str(slide)]) == 0
