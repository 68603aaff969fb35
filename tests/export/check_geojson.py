"""The rules of QuPath's reader, as the checker beside the test data knows them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.data_paths import real_data
from tests.export.stores import Scene


def assert_readable_by_qupath(path: Path, scene: Scene) -> None:
    """No rule is broken and nothing lies outside what QuPath shows of the slide; skips without the checker."""
    width, height = (scene.width, scene.height) if scene.bounds is None else scene.bounds[2:]
    command = [sys.executable, real_data("../tools/check_qupath_geojson.py"), path]
    result = subprocess.run(
        [*command, "--width", str(width), "--height", str(height)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
