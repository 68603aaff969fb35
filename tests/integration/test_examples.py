"""The examples run as they are written."""

import subprocess
import sys
from pathlib import Path

from wsi_haloae.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_synthetic_slide_is_one_that_info_can_describe(tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    command = [sys.executable, str(EXAMPLES / "synthetic_slide.py"), str(slide), "--width", "1024", "--height", "1024"]
    subprocess.run(command, check=True)
    assert slide.with_suffix(".geojson").exists()
    assert run(["info", str(slide)]) == 0
