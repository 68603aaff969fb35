"""One scored slide for all tests of the viewer; they only read it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.viewer.asking import PORT
from tests.viewer.process import running_viewer
from tests.viewer.scored import Scored, rectangle, score_slide, write_slide
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
def viewer(out: Path, scored: Scored) -> Iterator[int]:
    """The port of ``wsi-haloae view``, a process of its own; after the last test it must end well with Ctrl-C."""
    with running_viewer(out) as (process, port):
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
def app(slides: OpenedSlides) -> Starlette:
    return viewer_app(slides, PORT)
