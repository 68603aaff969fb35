"""One scored slide for all tests of the viewer; they only read it."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from starlette.types import ASGIApp

from tests.data_paths import real_data
from tests.missing import missing
from tests.viewer.browsing import FLAGS
from tests.viewer.process import running_viewer
from tests.viewer.scored import DRAWN, Scored, rectangle, score_slide, write_slide
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``score`` was given as ``-o``."""
    return tmp_path_factory.mktemp("viewer") / "out"


@pytest.fixture(scope="session")
def scored(out: Path) -> Scored:
    slide = write_slide(out.parent / "ramp.tif")
    made = score_slide(out, slide)
    regions = {"type": "FeatureCollection", "features": [rectangle(100, 200, 300, 400, "Anomaly")]}
    (made.folder / "regions.geojson").write_text(json.dumps(regions))
    return made


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A real slide; beside it in the same folder one whose file is gone."""
    cohort = tmp_path_factory.mktemp("cohort")
    gone = score_slide(cohort / "out", write_slide(cohort / "gone.tif"))
    gone.slide.unlink()
    return score_slide(cohort / "out", real_data("wsi/cmu-1-small-region.svs"))


@pytest.fixture(scope="session")
def viewer(real: Scored) -> Iterator[int]:
    """The port of ``wsi-haloae view``, a process of its own; after the last test it must end well with Ctrl-C."""
    annotations = real.folder.parent.parent / "annotations"
    annotations.mkdir()
    drawn = {"type": "FeatureCollection", "features": [rectangle(*DRAWN, "Tumor")]}
    (annotations / f"{real.slide.stem}.geojson").write_text(json.dumps(drawn))
    with running_viewer(real.folder.parent, "--annotations", str(annotations)) as (process, port):
        yield port
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
        assert process.returncode == 0, told
        assert "Traceback" not in told
        assert "interrupted" not in told


@pytest.fixture(scope="session")
def slides(out: Path, scored: Scored) -> Iterator[OpenedSlides]:
    opened = OpenedSlides(find_scored(out, pytest.fail), None)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def app(slides: OpenedSlides) -> ASGIApp:
    return viewer_app(slides)


@pytest.fixture(scope="module")  # while Playwright runs, asyncio cannot be used by other tests
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("no Chromium is installed: 'make test-tools', or install your system's package")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()
