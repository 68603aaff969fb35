"""The wheel is what users install: it must carry presets and recipes, and pages with their templates."""

import subprocess
import sys
import zipfile
from pathlib import Path

from wsi_haloae.config import KINDS, MVTEC_BASE, SLIDE_BASE, preset_names
from wsi_haloae.export.qupath_scripts import COMMAND_SCRIPTS, PROJECT_SCRIPTS, SLIDE_SCRIPTS

REPOSITORY = Path(__file__).parents[1]


def files_of(folder: str) -> list[str]:
    """Files below a folder of the repository that belong into the wheel."""
    found = (path.relative_to(REPOSITORY / folder) for path in (REPOSITORY / folder).rglob("*") if path.is_file())
    return [
        path.as_posix() for path in found if "__pycache__" not in path.parts and path.parts[:2] != ("viewer", "web")
    ]


def test_the_wheel_ships_presets_page_and_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in KINDS:
        assert {f"wsi_haloae/configs/{kind}/{name}.yaml" for name in preset_names(kind)} <= names
    assert {f"wsi_haloae/configs/{base}" for base in (MVTEC_BASE, SLIDE_BASE)} <= names
    templates = (path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "wsi_haloae").rglob("*.jinja"))
    assert set(templates) <= names
    assert "wsi_haloae/py.typed" in names
    everything = {f"wsi_haloae/{name}" for name in files_of("wsi_haloae")}
    for folder in ("configs", "pipelines"):
        everything |= {f"wsi_haloae/{folder}/{name}" for name in files_of(folder)}
    assert everything == {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    static = {
        path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "wsi_haloae/viewer/static").rglob("*.*")
    }
    assert (
        {"wsi_haloae/viewer/static/index.html", "wsi_haloae/viewer/static/vendor/openseadragon.min.js"}
        <= static
        <= names
    )
    assert not any("node_modules" in name or "/web/" in name for name in names)
    assert {
        f"wsi_haloae/export/groovy/{name}.jinja" for name in (*SLIDE_SCRIPTS, *PROJECT_SCRIPTS, *COMMAND_SCRIPTS)
    } <= names
    [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
    assert "wsi-haloae = wsi_haloae.cli.main:main" in zipfile.ZipFile(wheel).read(entry_points).decode()
